"""The plan of a sweep as plain data: its cells, each resolved, budget-matched and identified."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import to_json

from fdt_core.errors import UsageError
from fdt_core.files.json_file import parse_json
from fdt_core.networks.cost import Cost
from fdt_core.results.cell_filter import AXES, AxisValue, cell_filters, filter_text
from fdt_core.results.keys import cell_key, trial_label
from fdt_core.results.looks import Looks
from fdt_core.results.plan_file import LAUNCH_AGAIN, plan_version
from fdt_core.results.tuning import COMPARED, TUNED, Stage, Tuning, TuningGroup
from fdt_core.training.checkpoint import Keep
from fdt_core.trial.identity import identifying
from fdt_core.trial.recipe import Recipe
from fdt_core.trial.spec import TrialSpec
from orchestrator.plan.sweep_file import CHECKPOINT_BANDWIDTH, REPORT_INTERVAL, Resources

_USUAL = {"report_interval": REPORT_INTERVAL, "checkpoint_bandwidth": CHECKPOINT_BANDWIDTH}

BlockKey = tuple[str, float, str, str]
"""Model, width, variant and data set: the cells whose templates are compared with each other."""


PointKey = tuple[str, float, str, str, str, int]
"""A block, a template and a seed: one training of the comparison."""


KindKey = tuple[str, str, str, Stage, str]
"""Model, template, variant, stage and candidate: the cells that are held back together if all of them fail."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the comparison: a trial, and its place in the study."""

    sweep: str
    variant: str = ""
    stage: Stage = COMPARED
    candidate: str = ""
    """In a tuned sweep, the settings that it is trained with."""
    template: str
    spec: TrialSpec
    trial_id: str
    n: int | None
    cost: Cost
    budget_metric: str
    budget_rule: str
    budget_target: float
    budget_error: float
    train_images: int
    """Training images of its data set."""

    @property
    def images_to_see(self) -> int:
        """Images that its training sees over all epochs."""
        return self.train_images * self.spec.recipe.epochs

    @property
    def training_macs(self) -> float:
        """Multiply-accumulates of its whole training, forward and backward: a measure of its duration."""
        return 3.0 * self.cost.macs * self.images_to_see

    @property
    def key(self) -> tuple[str, ...]:
        """What makes the cell one row among the `done` rows of a run."""
        own = {name: getattr(self, name) for name in ("trial_id", "sweep", "template", "variant", "budget_rule")}
        return cell_key({**own, "model": self.spec.model, "dataset": self.spec.dataset})

    @property
    def point(self) -> PointKey:
        """Its place in the comparison. In a tuned sweep, it has it together with those of the other candidates."""
        return *self.block, self.template, self.spec.seed

    def group(self, tuning: Tuning) -> TuningGroup:
        """What it is tuned together with."""
        return tuning.group({**self.axes, "width": self.spec.width})

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which it is compared with other candidates; the last is the end of its training."""
        return *self.spec.recipe.evaluate_at, self.spec.recipe.epochs

    @property
    def block(self) -> BlockKey:
        """Its model, width, variant and data set."""
        return self.spec.model, self.spec.width, self.variant, self.spec.dataset

    @property
    def kind(self) -> KindKey:
        """Its model, template, variant, stage and candidate."""
        return self.spec.model, self.template, self.variant, self.stage, self.candidate

    @property
    def label(self) -> str:
        """The cell as messages name it: `3f6a1c09be22 vgg11 base digits seed 0`."""
        return f"{self.trial_id} {trial_label({**self.axes, 'stage': self.stage, 'candidate': self.candidate})}"

    @property
    def axes(self) -> dict[str, AxisValue]:
        """The values by axis of the grid."""
        spec = self.spec
        return {
            "model": spec.model,
            "variant": self.variant,
            "template": self.template,
            "dataset": spec.dataset,
            "seed": spec.seed,
        }

    def to_json(self) -> dict[str, object]:
        """Plain data: the columns, the spec (the trial_id is its hash), and the number of training images."""
        return self.columns() | {"train_images": self.train_images, "spec": identifying(self.spec)}

    def columns(self) -> dict[str, object]:
        """The cell as columns of the results (identity, cost and recipe)."""
        spec = self.spec
        return {
            "trial_id": self.trial_id,
            "sweep": self.sweep,
            "model": spec.model,
            "width": spec.width,
            "template": self.template,
            "dataset": spec.dataset,
            "variant": self.variant,
            "stage": self.stage,
            "candidate": self.candidate,
            "seed": spec.seed,
            "widths": list(spec.widths),
            "n": self.n,
            **_plain(self.cost),
            "budget_metric": self.budget_metric,
            "budget_rule": self.budget_rule,
            "budget_target": self.budget_target,
            "budget_error": self.budget_error,
            "threads": spec.threads,
            **_plain(spec.recipe),
        }


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A rule of `exclude`, as the file states it, and how many cells it excluded."""

    rule: dict[str, object]
    cells: int


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """All cells of a study in running order, and how to run them."""

    name: str
    cells: tuple[Cell, ...]
    excluded: tuple[Exclusion, ...]
    resources: Resources
    checkpoint_interval: float
    keep: Keep
    report_interval: float = REPORT_INTERVAL
    checkpoint_bandwidth: float = CHECKPOINT_BANDWIDTH
    looks: Looks | None = None
    """When to look at the comparisons, in a sweep with adaptive seeds."""
    tuning: Tuning | None = None
    """How settings are chosen before the comparison, in a tuned sweep."""
    warnings: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    """Likely slips in the sweep file, one line each. Known when it is read; not part of the frozen plan."""
    width_steps: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict, compare=False)
    """For each model, the least and the most that one more n costs, as parts of the budget. Known as the warnings."""

    def without_stops(self) -> SweepPlan:
        """The plan whose looks only report: every seed is trained.

        Raises UsageError if it has no looks.
        """
        if self.looks is None:
            raise UsageError("--no-stop: this sweep has no adaptive seeds, so nothing stops")
        return dataclasses.replace(self, looks=dataclasses.replace(self.looks, stops=False))

    def first(self, limit: int | None) -> SweepPlan:
        """The plan with only the first `limit` cells. Raises UsageError if it tunes."""
        if limit is not None and self.tuning is not None:
            raise UsageError("--limit: this sweep tunes, which needs all of its candidates; choose cells by --filter")
        return self if limit is None else dataclasses.replace(self, cells=self.cells[:limit])

    def matching(self, filters: Sequence[str]) -> SweepPlan:
        """The plan with only the cells that every option `--filter` keeps. Raises UsageError if none is left."""
        if not filters:
            return self
        compared = [cell.axes for cell in self.cells if cell.stage == COMPARED]
        chosen = cell_filters(filters, {axis: [axes[axis] for axes in compared] for axis in AXES})
        # Tuning has seeds of its own, and base may be tuned for the template that a filter keeps.
        shared = {"seed"} if self.tuning is None or self.tuning.every_template else {"seed", "template"}
        kept = tuple(
            cell
            for cell in self.cells
            if all((cell.stage == TUNED and each.axis in shared) or each.keeps(cell.axes[each.axis]) for each in chosen)
        )
        if not kept:
            raise UsageError(f"{filter_text(filters)}: no trial is left")
        return dataclasses.replace(self, cells=kept)

    def datasets(self) -> tuple[str, ...]:
        """The data sets that the cells use, in order of first use."""
        return tuple(dict.fromkeys(cell.spec.dataset for cell in self.cells))

    def to_json(self, extra: Mapping[str, object] | None = None) -> dict[str, object]:
        """Plain data for `plan.json` and `plan --json`; the key `trials` holds one object per cell."""
        return {
            "plan_version": plan_version(adaptive=self.looks is not None, tuned=self.tuning is not None),
            "sweep": self.name,
            "checkpoint_interval": self.checkpoint_interval,
            **{name: value for name, usual in _USUAL.items() if (value := getattr(self, name)) != usual},
            "keep": self.keep,
            "resources": dataclasses.asdict(self.resources),
            **({"looks": dataclasses.asdict(self.looks)} if self.looks else {}),
            **({"tuning": dataclasses.asdict(self.tuning)} if self.tuning else {}),
            "excluded": [dataclasses.asdict(exclusion) for exclusion in self.excluded],
            **(extra or {}),
            "trials": [cell.to_json() for cell in self.cells],
        }


def plan_from_json(data: Mapping[str, object], source: Path = Path("plan.json")) -> SweepPlan:
    """The inverse of `SweepPlan.to_json`, for data from the file `source`.

    Raises EnvironmentProblem naming the file if the data is not such a plan.
    """
    trials = data.get("trials")
    if isinstance(trials, list):
        trials = [_with_cost(trial) if isinstance(trial, dict) else trial for trial in trials]
    plan = {key: value for key, value in data.items() if key != "trials"}
    plan |= {"cells": trials, "name": data.get("sweep")}
    remedy = f"it may have been written by another version of fdt-sweep: {LAUNCH_AGAIN}"
    # Again as JSON, for which strict types accept a list as a tuple. To read a plan of 2,000 cells takes 0.1 s so; with
    # Python's json, and all columns beside the cost once more in it, it took 0.3 s.
    return parse_json(to_json(plan, inf_nan_mode="constants"), SweepPlan, source, remedy=remedy)


def _with_cost(trial: dict[str, object]) -> dict[str, object]:
    """A cell's columns, those of its cost as a value of their own."""
    names = {field.name for field in dataclasses.fields(Cost)}
    return {
        **{name: value for name, value in trial.items() if name not in names},
        "cost": {name: value for name, value in trial.items() if name in names},
    }


def _plain(value: Cost | Recipe) -> dict[str, object]:
    """A cost or a recipe as columns. `dataclasses.asdict`, which copies deeply, takes ten times as long."""
    return {key: as_json(item) for key, item in vars(value).items() if not key.startswith("_")}


def as_json(value: object) -> object:
    """A tuple as a list; anything else as it is."""
    return list(value) if isinstance(value, tuple) else value
