"""Which networks of a plan still lack a row of `profiles`, and how they are measured."""

from __future__ import annotations

from collections.abc import Iterable

from fdt_core.measuring.networks import MeasuredNetwork
from fdt_core.measuring.setting import MeasurementSetting
from fdt_core.results.keys import measurement_key
from orchestrator.plan.cells import Cell
from orchestrator.run.stored_rows import Row


def network_of(cell: Cell) -> MeasuredNetwork:
    """The network of a cell."""
    spec = cell.spec
    return MeasuredNetwork(
        model=spec.model,
        image=spec.image,
        dataset=spec.dataset,
        template=cell.template,
        width=spec.width,
        widths=spec.widths,
        cost=cell.cost,
        traced=spec.traced,
    )


def setting_of(cell: Cell, device: str) -> MeasurementSetting:
    """How a cell's network is run on `device`: as it was trained."""
    recipe = cell.spec.recipe
    return MeasurementSetting(
        device=device, threads=cell.spec.threads, precision=recipe.precision, channels_last=recipe.channels_last
    )


def unmeasured(cells: Iterable[Cell], rows: Iterable[Row], device_name: str) -> tuple[Cell, ...]:
    """One cell for each network and way of running it that `profiles` does not have for this device.

    Seeds, schedules and labels make no difference to a network's speed: see `measurement_key`.
    """
    measured = {measurement_key(row) for row in rows if row["device_name"] == device_name}
    found: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        key = measurement_key(_what_is_measured(cell))
        if key not in measured:
            found.setdefault(key, cell)
    return tuple(found.values())


def _what_is_measured(cell: Cell) -> Row:
    """The columns of a measurement of the cell's network that `measurement_key` reads."""
    spec = cell.spec
    return {
        "model": spec.model,
        "width": spec.width,
        "widths": spec.widths,
        "params": cell.cost.params,
        "macs": cell.cost.macs,
        "paper_flops": cell.cost.paper_flops,
        "threads": spec.threads,
        "precision": spec.recipe.precision,
        "channels_last": spec.recipe.channels_last,
    }
