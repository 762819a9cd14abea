"""What a plan will take: images, device time and disk, with the basis of the time and how rough it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from fdt_core.errors import BudgetRefused
from fdt_core.quantities import about, duration, size
from fdt_core.results.reader import read_table
from orchestrator.plan.cells import Cell

ASSUMED_MACS_PER_SECOND = 2e12
"""Multiply-accumulates a second that a current GPU trains with in fp32, used where nothing has been measured."""

_CONDITIONS = ("width", "dataset", "precision", "batch_size", "threads", "compile")
"""Columns that, with the model, decide how fast a device works through multiply-accumulates; as in `_conditions`."""

_TRAINING_BYTES_PER_PARAMETER = 8
"""A working checkpoint holds weights and momentum in fp32."""

_WORKING_CHECKPOINTS = 2


class Basis(StrEnum):
    """Where an expected time comes from."""

    MEASURED = "measured"
    """Trials of this run with the same model, width, data set and settings."""
    EXTRAPOLATED = "extrapolated"
    """Trials of this run with the same model under other conditions."""
    ASSUMED = "assumed"
    """Nothing of the model has been trained in this run."""


_FACTORS = {Basis.MEASURED: (1 / 1.5, 1.5), Basis.EXTRAPOLATED: (1 / 5, 5.0), Basis.ASSUMED: (1 / 5, 5.0)}
"""By what the true time may differ, down and up.

Templates of one width differ by up to 1.5 at the same multiply-accumulates (the README's table). Width and data set
change the rate by several times: small networks do not fill a device. The assumed rate is that of large networks on a
GPU, and the range that of current GPUs.
"""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The expected cost of some trials.

    Args:
        trials: how many distinct trainings.
        images: training images to be seen.
        device_hours: hours on one device, one trial at a time.
        device_hours_low: the least that they may turn out to be, as rough as the basis is.
        device_hours_high: the most.
        basis: where the hours come from, by model, in words.
        kept_bytes: disk for the weights that stay.
        working_bytes: disk for the working checkpoints of one running trial, the largest.
    """

    trials: int
    images: int
    device_hours: float
    device_hours_low: float
    device_hours_high: float
    basis: Mapping[str, str]
    kept_bytes: int
    working_bytes: int


@dataclass
class _Work:
    """What some rows have done together, and on which devices."""

    macs: float = 0.0
    seconds: float = 0.0
    devices: set[str] = field(default_factory=set)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count the training of a finished row."""
        self.macs += 3.0 * row["macs"] * row["images_per_second"] * row["train_seconds"]
        self.seconds += row["train_seconds"]
        self.devices.add(row["device_name"] or "an unknown device")

    @property
    def rate(self) -> float:
        """Multiply-accumulates a second."""
        return self.macs / self.seconds


class _Measurements:
    """The finished rows of a run, by model and by model and conditions."""

    def __init__(self, results: Path) -> None:
        self.of_model: dict[str, _Work] = defaultdict(_Work)
        self.of_conditions: dict[tuple[str, tuple[Any, ...]], _Work] = defaultdict(_Work)
        columns = ("model", "status", "macs", "images_per_second", "train_seconds", "device_name", *_CONDITIONS)
        for row in read_table(results, "trials", columns).rows.to_pylist():
            if row["status"] == "done" and row["train_seconds"]:
                self.of_model[row["model"]].add(row)
                self.of_conditions[row["model"], tuple(row[name] for name in _CONDITIONS)].add(row)

    def expected(self, cell: Cell) -> tuple[Basis, float]:
        """The seconds that a cell's training takes, and their basis."""
        model = cell.spec.model
        if exact := self.of_conditions.get((model, _conditions(cell))):
            return Basis.MEASURED, cell.training_macs / exact.rate
        if similar := self.of_model.get(model):
            return Basis.EXTRAPOLATED, cell.training_macs / similar.rate
        return Basis.ASSUMED, cell.training_macs / ASSUMED_MACS_PER_SECOND

    def differences(self, cells: Sequence[Cell]) -> list[str]:
        """What was measured of the cells' model, and where they differ from it: `width 0.125, not 1`."""
        known = [conditions for model, conditions in self.of_conditions if model == cells[0].spec.model]
        found = []
        for index, name in enumerate(_CONDITIONS):
            measured, wanted = {each[index] for each in known}, {_conditions(cell)[index] for cell in cells}
            if wanted - measured:
                found.append(f"{name} {_listed(measured)}, not {_listed(wanted - measured)}")
        return found or ["other combinations of these conditions"]


def estimate(cells: Iterable[Cell], keep: str, results: Path) -> Estimate:
    """What the distinct trials among `cells` will take.

    The time comes from the measured rows in `results`: of the same model under the same conditions, else of the same
    model, scaled by multiply-accumulates; and else from an assumed rate.
    """
    distinct = list({cell.trial_id: cell for cell in cells}.values())
    measurements = _Measurements(results)
    seconds, low, high = 0.0, 0.0, 0.0
    by_basis: dict[str, dict[Basis, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in distinct:
        basis, expected = measurements.expected(cell)
        less, more = _FACTORS[basis]
        seconds, low, high = seconds + expected, low + less * expected, high + more * expected
        by_basis[cell.spec.model][basis].append(cell)
    return Estimate(
        trials=len(distinct),
        images=sum(cell.images_to_see for cell in distinct),
        device_hours=seconds / 3600,
        device_hours_low=low / 3600,
        device_hours_high=high / 3600,
        basis={
            model: "; ".join(_basis(measurements, basis, of_basis) for basis, of_basis in sorted(found.items()))
            for model, found in sorted(by_basis.items())
        },
        kept_bytes=sum(4 * cell.cost.params * _kept(keep, cell.spec.recipe.epochs) for cell in distinct),
        working_bytes=max(
            (_WORKING_CHECKPOINTS * _TRAINING_BYTES_PER_PARAMETER * cell.cost.params for cell in distinct), default=0
        ),
    )


def refuse_above(limit: float | None, estimated: Estimate) -> None:
    """Raise BudgetRefused where the estimate exceeds `limit` GPU-hours."""
    if limit is not None and estimated.device_hours > limit:
        basis = "; ".join(_basis_lines(estimated))
        raise BudgetRefused(
            f"the trials left to run would take {_time(estimated)}, more than --max-gpu-hours {limit:g} ({basis})"
        )


def estimate_lines(estimated: Estimate) -> Sequence[str]:
    """The estimate as people read it."""
    if not estimated.trials:
        return []
    return [
        f"  images    {estimated.images:,} to be seen in {estimated.trials} trainings",
        f"  time      {_time(estimated)}",
        *(f"            {line}" for line in _basis_lines(estimated)),
        f"  disk      {size(estimated.kept_bytes)} of weights kept, "
        f"and {size(estimated.working_bytes)} of checkpoints for each trial that runs",
    ]


def as_json(estimated: Estimate) -> dict[str, Any]:
    """The estimate as plain data."""
    return {name: dict(value) if name == "basis" else value for name, value in vars(estimated).items()}


def _basis_lines(estimated: Estimate) -> list[str]:
    """The basis of the time, with the models that it is the same for."""
    models: dict[str, list[str]] = defaultdict(list)
    for model, basis in estimated.basis.items():
        models[basis].append(model)
    return [f"{', '.join(names)}: {basis}" for basis, names in models.items()]


def _time(estimated: Estimate) -> str:
    """The device time with its range."""
    low, high = (duration(3600 * hours) for hours in (estimated.device_hours_low, estimated.device_hours_high))
    spread = f" (rough: {low} to {high})" if low != high else ""
    return f"{about(3600 * estimated.device_hours)} on one device{spread}"


def _basis(measurements: _Measurements, basis: Basis, cells: Sequence[Cell]) -> str:
    model = cells[0].spec.model
    if basis == Basis.ASSUMED:
        return (
            f"nothing measured in this run: assumed {ASSUMED_MACS_PER_SECOND:.1e} multiply-accumulates/s, as large "
            "networks on a GPU; small ones may take 20 times as long, a CPU 100 times or more"
        )
    if basis == Basis.EXTRAPOLATED:
        work, at = measurements.of_model[model], f"at {'; '.join(measurements.differences(cells))}: "
    else:
        work = _together(measurements.of_conditions[model, key] for key in {_conditions(cell) for cell in cells})
        at = ""
    return (
        f"measured in this run {at}{work.rate:.1e} multiply-accumulates/s on {_listed(work.devices)}, "
        f"good to a factor of {_FACTORS[basis][1]:g}"
    )


def _together(parts: Iterable[_Work]) -> _Work:
    whole = _Work()
    for part in parts:
        whole.macs += part.macs
        whole.seconds += part.seconds
        whole.devices |= part.devices
    return whole


def _conditions(cell: Cell) -> tuple[Any, ...]:
    spec, recipe = cell.spec, cell.spec.recipe
    return spec.width, spec.dataset, recipe.precision, recipe.batch_size, spec.threads, recipe.compile


def _listed(values: Iterable[Any]) -> str:
    return " and ".join(sorted(f"{value:g}" if isinstance(value, float) else str(value) for value in values))


def _kept(keep: str, epochs: int) -> int:
    """How many sets of weights stay of one trial."""
    return {"none": 0, "final": 1, "best": 1, "all": epochs}[keep]
