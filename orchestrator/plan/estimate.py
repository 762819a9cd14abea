"""What a plan will cost: images, device time and disk, with the basis of the time and its range."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from typing_extensions import TypedDict

from fdt_core.errors import BudgetRefused
from fdt_core.quantities import about, duration, size
from fdt_core.results.reader import PartReader, read_part, read_table
from fdt_core.results.tuning import COMPARED, TUNED
from orchestrator.plan.cells import Cell

ASSUMED_MACS_PER_SECOND = 2e12
"""Multiply-accumulates per second of a current GPU training in fp32; used if nothing has been measured."""

_OPTIMISER_VALUES = {"sgd": 1, "adamw": 2}
"""Values per parameter that an optimiser keeps: the momentum; the averages of the gradient and of its square."""

_WORKING_CHECKPOINTS = 2


class Basis(StrEnum):
    """Where an expected time comes from."""

    MEASURED = "measured"
    """Trials of this run with the same model, width, data set and settings."""
    EXTRAPOLATED = "extrapolated"
    """Trials of this run with the same model under other conditions."""
    ASSUMED = "assumed"
    """Nothing of the model has been trained in this run."""


class _Conditions(NamedTuple):
    """What decides, with the model, how fast a device works through multiply-accumulates; columns of `trials`."""

    width: float
    dataset: str
    precision: str
    batch_size: int
    threads: int
    compile: bool


class _FinishedRow(TypedDict):
    """The columns of `trials` that a rate comes from."""

    model: str
    status: str
    macs: int
    images_per_second: float
    train_seconds: float | None
    device_name: str | None
    width: float
    dataset: str
    precision: str
    batch_size: int
    threads: int
    compile: bool


_FACTORS = {Basis.MEASURED: (1 / 1.5, 1.5), Basis.EXTRAPOLATED: (1 / 5, 5.0), Basis.ASSUMED: (1 / 5, 5.0)}
"""Factors by which the true time may differ, down and up.

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
        device_hours_low: lower end of their range, which follows from the basis.
        device_hours_high: upper end of their range.
        basis: where the hours come from, by model, as text.
        kept_bytes: disk space for the weights that stay.
        working_bytes: disk space for the working checkpoints of the largest running trial.
        waiting_bytes: disk space for those of candidates that wait for the decision of their rung, at most.
    """

    trials: int
    images: int
    device_hours: float
    device_hours_low: float
    device_hours_high: float
    basis: Mapping[str, str]
    kept_bytes: int
    working_bytes: int
    waiting_bytes: int


@dataclass
class _Work:
    """The training of some rows together, and the devices that did it."""

    macs: float = 0.0
    seconds: float = 0.0
    devices: set[str] = field(default_factory=set)

    def add(self, row: _FinishedRow, seconds: float) -> None:
        """Count the training of a finished row, which took `seconds`."""
        self.macs += 3.0 * row["macs"] * row["images_per_second"] * seconds
        self.seconds += seconds
        self.devices.add(row["device_name"] or "an unknown device")

    @property
    def rate(self) -> float:
        """Multiply-accumulates per second."""
        return self.macs / self.seconds


class _Measurements:
    """The finished rows of a run, by model and by model and conditions."""

    def __init__(self, results: Path, part_reader: PartReader) -> None:
        self.of_model: dict[str, _Work] = defaultdict(_Work)
        self.of_conditions: dict[tuple[str, _Conditions], _Work] = defaultdict(_Work)
        columns = tuple(_FinishedRow.__annotations__)
        rows: list[_FinishedRow] = read_table(results, "trials", columns, part_reader=part_reader).rows.to_pylist()
        for row in rows:
            if row["status"] in ("done", "stopped") and (seconds := row["train_seconds"]):
                self.of_model[row["model"]].add(row, seconds)
                self.of_conditions[row["model"], _conditions_of(row)].add(row, seconds)

    def expected(self, cell: Cell) -> tuple[Basis, float]:
        """The expected seconds of a cell's training, and their basis."""
        model = cell.spec.model
        if exact := self.of_conditions.get((model, _conditions(cell))):
            return Basis.MEASURED, cell.training_macs / exact.rate
        if similar := self.of_model.get(model):
            return Basis.EXTRAPOLATED, cell.training_macs / similar.rate
        return Basis.ASSUMED, cell.training_macs / ASSUMED_MACS_PER_SECOND

    def differences(self, cells: Sequence[Cell]) -> list[str]:
        """How the cells differ from what was measured of their model: `width 0.125, not 1`."""
        known = [conditions for model, conditions in self.of_conditions if model == cells[0].spec.model]
        found = []
        for index, name in enumerate(_Conditions._fields):
            measured, wanted = {each[index] for each in known}, {_conditions(cell)[index] for cell in cells}
            if wanted - measured:
                found.append(f"{name} {_listed(measured)}, not {_listed(wanted - measured)}")
        return found or ["other combinations of these conditions"]


def estimate(cells: Iterable[Cell], keep: str, results: Path, part_reader: PartReader = read_part) -> Estimate:
    """What the distinct trials among `cells` will cost.

    The time comes from the finished rows in `results`: those of the same model under the same conditions, else those of
    the same model, scaled by multiply-accumulates. Without either, an assumed rate is used.
    """
    distinct = list({cell.trial_id: cell for cell in cells}.values())
    measurements = _Measurements(results, part_reader)
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
        kept_bytes=sum(
            4 * cell.cost.params * _kept(keep, cell.spec.recipe.epochs) for cell in distinct if cell.stage == COMPARED
        ),
        working_bytes=max((_WORKING_CHECKPOINTS * _checkpoint_bytes(cell) for cell in distinct), default=0),
        waiting_bytes=sum(
            _WORKING_CHECKPOINTS * _checkpoint_bytes(cell)
            for cell in distinct
            if cell.stage == TUNED and cell.spec.recipe.evaluate_at
        ),
    )


def _checkpoint_bytes(cell: Cell) -> int:
    """The size of a working checkpoint: weights, their average if there is one, and the optimiser's state, in fp32."""
    recipe = cell.spec.recipe
    return 4 * cell.cost.params * (1 + bool(recipe.ema) + _OPTIMISER_VALUES[recipe.optimiser])


def refuse_above(limit: float | None, estimated: Estimate) -> None:
    """Raise BudgetRefused if the estimate exceeds `limit` GPU-hours."""
    if limit is not None and estimated.device_hours > limit:
        basis = "; ".join(_basis_lines(estimated))
        raise BudgetRefused(
            f"the trials left to run would take {_time(estimated)}, more than --max-gpu-hours {limit:g} ({basis})"
        )


def estimate_lines(estimated: Estimate) -> Sequence[str]:
    """The estimate as text."""
    if not estimated.trials:
        return []
    waiting = estimated.waiting_bytes
    waits = f", and at most {size(waiting)} for candidates that wait for their rung" if waiting else ""
    return [
        f"  images    {estimated.images:,} to be seen in {estimated.trials} trainings",
        f"  time      {_time(estimated)}",
        *(f"            {line}" for line in _basis_lines(estimated)),
        f"  disk      {size(estimated.kept_bytes)} of weights kept, "
        f"and {size(estimated.working_bytes)} of checkpoints for each trial that runs{waits}",
    ]


def as_json(estimated: Estimate) -> dict[str, object]:
    """The estimate as plain data."""
    return {name: dict(value) if name == "basis" else value for name, value in vars(estimated).items()}


def _basis_lines(estimated: Estimate) -> list[str]:
    """Each basis of the time, with the models that share it."""
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
            f"nothing measured in this run: assumed {ASSUMED_MACS_PER_SECOND:.1e} multiply-accumulates/s, as for "
            "large networks on a GPU; small ones may take 20 times as long, a CPU 100 times or more"
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


def _conditions(cell: Cell) -> _Conditions:
    spec, recipe = cell.spec, cell.spec.recipe
    return _Conditions(spec.width, spec.dataset, recipe.precision, recipe.batch_size, spec.threads, recipe.compile)


def _conditions_of(row: _FinishedRow) -> _Conditions:
    return _Conditions(
        row["width"], row["dataset"], row["precision"], row["batch_size"], row["threads"], row["compile"]
    )


def _listed(values: Iterable[object]) -> str:
    return " and ".join(sorted(f"{value:g}" if isinstance(value, float) else str(value) for value in values))


def _kept(keep: str, epochs: int) -> int:
    """How many sets of weights one trial keeps."""
    return {"none": 0, "final": 1, "best": 1, "all": epochs}[keep]
