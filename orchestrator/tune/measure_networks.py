"""When a sweep's training is over: measure each of its networks once on each kind of device, alone on that device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.ray_nodes.membership import ray_nodes
from fdt_core.error_text import informative_line
from fdt_core.measuring.networks import measurement_row
from fdt_core.results.reader import read_table
from orchestrator.plan.cells import Cell
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.measurements import network_of, setting_of, unmeasured
from orchestrator.run.open_run import OpenRun
from orchestrator.tune.compute import Compute

_POLL_SECONDS = 1.0


def measure_networks(
    work: OpenRun,
    compute: Compute,
    device_names: Mapping[str, str],
    *,
    say: Callable[[str], None],
    must_stop: Callable[[], bool],
) -> None:
    """Append the missing rows of `profiles`: one for each network of the plan and each device name among the nodes.

    Nothing else of the sweep may run meanwhile. A measurement that fails is reported and left out: it does not
    make the sweep fail. Ends early when `must_stop` returns True. `device_names` are those that are known, by Ray's id
    of the node: to ask another node takes a process that imports torch.
    """
    needs, device = compute.slots, compute.device

    def measured(node_id: str, cell: Cell) -> dict[str, object] | None:
        # A function and values of `fdt_core`: in its process, nothing of the orchestrator has to be imported.
        task = _on(node_id, needs, measurement_row).remote(network_of(cell), setting_of(cell, device))
        row: dict[str, object] | None = ray.get(task) if _wait(task, must_stop) else None
        return row

    def named(node_id: str) -> str | None:
        if node_id in device_names:
            return device_names[node_id]
        task = _on(node_id, needs, _device_name).remote(device)
        name: str | None = ray.get(task) if _wait(task, must_stop) else None
        return name

    fit = [
        node.id for node in ray_nodes() if node.is_alive and node.cpus >= needs.cpus and node.gpus >= needs.whole_gpus
    ]
    measure_on(one_per_device_name(fit, named), measured, work, say=say)


def measure_on(
    nodes: Iterable[tuple[str, str]],
    measured: Callable[[str, Cell], dict[str, object] | None],
    work: OpenRun,
    *,
    say: Callable[[str], None],
) -> None:
    """Append the rows of `profiles` that `measured` returns, until it returns None.

    Args:
        nodes: id and device name of each node to measure on.
        measured: the row of a cell's network on the node with this id; None = stop. May raise RayError.
        work: the run whose finished trials' networks are measured.
        say: reports one line.
    """
    trained = work.finished_cells()
    for node_id, device_name in nodes:
        rows = read_table(work.run.results, "profiles").rows.to_pylist()
        cells = unmeasured(trained, rows, device_name)
        if cells:
            say(f"measuring the speed of {len(cells)} networks on {device_name}")
        for cell in cells:
            try:
                row = measured(node_id, cell)
            except ray.exceptions.RayError as error:  # what a network or a device raises
                say(f"{cell.label}: not measured: {informative_line(str(error))}")
                continue
            if row is None:
                return
            work.recorder.add_profile(row | {"sweep": cell.sweep})


def one_per_device_name(node_ids: Iterable[str], device_name: Callable[[str], str | None]) -> Iterator[tuple[str, str]]:
    """The first node of each device name, with that name; ends early where `device_name` returns None."""
    seen = set()
    for node_id in node_ids:
        name = device_name(node_id)
        if name is None:
            return
        if name not in seen:
            seen.add(name)
            yield node_id, name


def _on(node_id: str, needs: TrialSlots, function: Any) -> Any:
    """A Ray task of `function` on one node, in a fresh process, with what a trial that runs alone gets."""
    remote: Any = ray.remote  # its stub does not know this strategy
    return remote(
        num_cpus=needs.cpus,
        num_gpus=needs.whole_gpus,
        max_calls=1,
        max_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
    )(function)


def _device_name(device: str) -> str:
    import torch

    from fdt_core.compute.device import device_name

    return device_name(torch.device(device))


def _wait(task: Any, must_stop: Callable[[], bool]) -> bool:
    """Whether the task ended before it had to be given up."""
    while not must_stop():
        ready, _ = ray.wait([task], timeout=_POLL_SECONDS)
        if ready:
            return True
    return False
