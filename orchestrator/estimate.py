"""What a plan will take: images, device-hours and disk, each with the basis of the figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdt_core.errors import BudgetRefused
from fdt_core.results.reader import read_table
from orchestrator.plan import Cell

ASSUMED_MACS_PER_SECOND = 2e12
"""Multiply-accumulates a second that a current GPU trains with in fp32, used where nothing has been measured."""

_TRAINING_BYTES_PER_PARAMETER = 8
"""A working checkpoint holds weights and momentum in fp32."""

_WORKING_CHECKPOINTS = 2


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The expected cost of some trials.

    Args:
        trials: how many distinct trainings.
        images: training images to be seen.
        device_hours: hours on one device, one trial at a time.
        basis: where the hours come from, by model.
        kept_bytes: disk for the weights that stay.
        working_bytes: disk for the working checkpoints of one running trial, the largest.
    """

    trials: int
    images: int
    device_hours: float
    basis: Mapping[str, str]
    kept_bytes: int
    working_bytes: int


def estimate(cells: Iterable[Cell], keep: str, results: Path) -> Estimate:
    """What the distinct trials among `cells` will take.

    The hours come from the measured rows in `results` of the same model, scaled by multiply-accumulates, and else from
    an assumed rate.
    """
    distinct = list({cell.trial_id: cell for cell in cells}.values())
    rates = _measured_rates(results)
    models = sorted({cell.spec.model for cell in distinct})
    seconds = sum(cell.training_macs / rates.get(cell.spec.model, ASSUMED_MACS_PER_SECOND) for cell in distinct)
    return Estimate(
        trials=len(distinct),
        images=sum(cell.images_to_see for cell in distinct),
        device_hours=seconds / 3600,
        basis={model: _basis(rates.get(model)) for model in models},
        kept_bytes=sum(4 * cell.cost.params * _kept(keep, cell.spec.recipe.epochs) for cell in distinct),
        working_bytes=max(
            (_WORKING_CHECKPOINTS * _TRAINING_BYTES_PER_PARAMETER * cell.cost.params for cell in distinct), default=0
        ),
    )


def refuse_above(limit: float | None, estimated: Estimate) -> None:
    """Raise BudgetRefused where the estimate exceeds `limit` GPU-hours."""
    if limit is not None and estimated.device_hours > limit:
        basis = "; ".join(f"{model}: {text}" for model, text in estimated.basis.items())
        raise BudgetRefused(
            f"the trials left to run would take about {estimated.device_hours:.1f} device-hours, "
            f"more than --max-gpu-hours {limit:g} ({basis})"
        )


def _measured_rates(results: Path) -> dict[str, float]:
    """Multiply-accumulates of training per second, by model, over the finished rows of a run."""
    columns = ("model", "status", "macs", "images_per_second", "train_seconds")
    work: dict[str, float] = defaultdict(float)
    seconds: dict[str, float] = defaultdict(float)
    for row in read_table(results, "trials", columns).rows.to_pylist():
        if row["status"] == "done" and row["train_seconds"]:
            work[row["model"]] += 3.0 * row["macs"] * row["images_per_second"] * row["train_seconds"]
            seconds[row["model"]] += row["train_seconds"]
    return {model: work[model] / seconds[model] for model in work}


def _basis(rate: float | None) -> str:
    if rate is None:
        return f"assumed {ASSUMED_MACS_PER_SECOND:.1e} multiply-accumulates/s"
    return f"measured in this run: {rate:.1e} multiply-accumulates/s"


def _kept(keep: str, epochs: int) -> int:
    """How many sets of weights stay of one trial."""
    return {"none": 0, "final": 1, "best": 1, "all": epochs}[keep]


def estimate_lines(estimated: Estimate) -> Sequence[str]:
    """The estimate as people read it."""
    if not estimated.trials:
        return []
    return [
        f"  images    {estimated.images:,} to be seen in {estimated.trials} trainings",
        f"  time      about {estimated.device_hours:.3g} device-hours",
        *(f"            {model}: {basis}" for model, basis in estimated.basis.items()),
        f"  disk      {_size(estimated.kept_bytes)} of weights kept, "
        f"and {_size(estimated.working_bytes)} of checkpoints for each trial that runs",
    ]


def as_json(estimated: Estimate) -> dict[str, Any]:
    """The estimate as plain data."""
    return {name: dict(value) if name == "basis" else value for name, value in vars(estimated).items()}


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
