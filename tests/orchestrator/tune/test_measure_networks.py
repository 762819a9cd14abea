"""Which networks are measured on which node, and what becomes of a measurement that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from fdt_core.results.reader import read_table
from orchestrator.plan.cells import Cell
from orchestrator.run.open_run import OpenRun
from orchestrator.trial.outcome import Outcome
from orchestrator.tune.measure_networks import measure_on, one_per_device_name
from tests.orchestrator.tune.drivers import FakeProcess, Surroundings

NODES = (("node1", "A100"), ("node2", "H100"))


@pytest.fixture
def work(tmp_path: Path) -> OpenRun:
    """Two seeds of one network, both done."""
    around = Surroundings(tmp_path)
    work = around.open_run(trials=2)
    driver = around.driver(work)
    process = FakeProcess(driver).start()
    while process.end(Outcome.DONE):
        pass
    return work


def row(node_id: str, cell: Cell) -> dict[str, object]:
    columns = {"model", "width", "widths", "params", "macs", "paper_flops", "dataset", "template"}
    return {
        **{name: value for name, value in cell.columns().items() if name in columns},
        "threads": cell.spec.threads,
        "precision": cell.spec.recipe.precision,
        "device_name": dict(NODES)[node_id],
    }


def measured_devices(work: OpenRun) -> list[str]:
    return [row["device_name"] for row in read_table(work.run.results, "profiles").rows.to_pylist()]


def test_each_network_is_measured_once_on_each_kind_of_device(work: OpenRun) -> None:
    lines: list[str] = []
    for _ in range(2):
        measure_on(NODES, row, work, say=lines.append)
    assert measured_devices(work) == ["A100", "H100"]
    assert lines == [f"measuring the speed of 1 networks on {name}" for _, name in NODES]


def test_one_node_of_each_kind_of_device_measures_until_a_stop_leaves_one_unnamed() -> None:
    names = {"a": "A100", "b": "A100", "c": "H100", "d": None, "e": "V100"}
    assert list(one_per_device_name(names, names.get)) == [("a", "A100"), ("c", "H100")]


def test_a_measurement_that_fails_is_reported_and_left_out(work: OpenRun) -> None:
    def fails_on_the_first(node_id: str, cell: Cell) -> dict[str, object]:
        if node_id == "node1":
            raise ray.exceptions.RayError("no more memory")
        return row(node_id, cell)

    lines: list[str] = []
    measure_on(NODES, fails_on_the_first, work, say=lines.append)
    assert measured_devices(work) == ["H100"]
    assert [line for line in lines if "not measured: no more memory" in line]


def test_a_stop_ends_the_measuring(work: OpenRun) -> None:
    measure_on(NODES, lambda _node_id, _cell: None, work, say=lambda _line: None)
    assert measured_devices(work) == []
