"""From a sweep file to its plan: every cell resolved, budget-matched and identified, as plain data."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdt_core.architectures import Architecture, architecture, source_digest
from fdt_core.checkpoint import Keep
from fdt_core.cost import Cost
from fdt_core.datasets.catalogue import DatasetInfo, dataset_info
from fdt_core.errors import UsageError
from fdt_core.json_file import parse_json
from fdt_core.plan_file import LAUNCH_AGAIN, PLAN_VERSION
from fdt_core.published import require_paper_dataset
from fdt_core.recipe import Recipe, held_out_images
from fdt_core.results.keys import cell_key
from fdt_core.settings import Place
from fdt_core.solver import Budget, Match, match
from fdt_core.spec import TrialSpec
from fdt_core.templates import Template, template
from fdt_core.yaml_file import YamlFile
from orchestrator.cell_recipe import given_recipe, resolve_recipe
from orchestrator.slips import recipe_slips, unused_overrides
from orchestrator.sweep_file import AXES, Resources, Sweep, check_selectors, load_sweep, selects


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the comparison: a trial, and what it stands for in the study."""

    sweep: str
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
        """Images that its training sees, over all epochs."""
        return self.train_images * self.spec.recipe.epochs

    @property
    def training_macs(self) -> float:
        """Multiply-accumulates of its whole training, forward and backward: a measure of how long it takes."""
        return 3.0 * self.cost.macs * self.images_to_see

    @property
    def key(self) -> tuple[str, ...]:
        """What makes the cell one row among the `done` rows of a run."""
        own = {name: getattr(self, name) for name in ("trial_id", "sweep", "template", "budget_rule")}
        return cell_key({**own, "model": self.spec.model, "dataset": self.spec.dataset})

    def to_json(self) -> dict[str, Any]:
        """Plain data: the columns, the spec that the trial_id is the hash of, and the number of training images."""
        return self.columns() | {"train_images": self.train_images, "spec": json.loads(self.spec.to_json())}

    def columns(self) -> dict[str, Any]:
        """The cell as columns of the results (identity, cost and recipe)."""
        spec = self.spec
        return {
            "trial_id": self.trial_id,
            "sweep": self.sweep,
            "model": spec.model,
            "width": spec.width,
            "template": self.template,
            "dataset": spec.dataset,
            "seed": spec.seed,
            "widths": list(spec.widths),
            "n": self.n,
            **dataclasses.asdict(self.cost),
            "budget_metric": self.budget_metric,
            "budget_rule": self.budget_rule,
            "budget_target": self.budget_target,
            "budget_error": self.budget_error,
            "threads": spec.threads,
            **{key: _as_json(value) for key, value in vars(spec.recipe).items() if not key.startswith("_")},
        }


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A rule of `exclude`, as the file states it, and how many cells it took out."""

    rule: dict[str, Any]
    cells: int


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """All cells of a study in the order in which they are to be run, and how to run them."""

    name: str
    cells: tuple[Cell, ...]
    excluded: tuple[Exclusion, ...]
    resources: Resources
    checkpoint_interval: float
    keep: Keep
    warnings: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    """What is surely a slip in the sweep file, one line each. Known when it is read; not part of the frozen plan."""

    def first(self, limit: int | None) -> SweepPlan:
        """The plan of the first `limit` cells alone."""
        return self if limit is None else dataclasses.replace(self, cells=self.cells[:limit])

    def datasets(self) -> tuple[str, ...]:
        """The data sets that the cells use, in order of first use."""
        return tuple(dict.fromkeys(cell.spec.dataset for cell in self.cells))

    def to_json(self, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Plain data for `plan.json` and `plan --json`; the key `trials` holds one object per cell."""
        return {
            "plan_version": PLAN_VERSION,
            "sweep": self.name,
            "checkpoint_interval": self.checkpoint_interval,
            "keep": self.keep,
            "resources": dataclasses.asdict(self.resources),
            "excluded": [dataclasses.asdict(exclusion) for exclusion in self.excluded],
            **(extra or {}),
            "trials": [cell.to_json() for cell in self.cells],
        }


def plan_from_json(data: Mapping[str, Any], source: Path = Path("plan.json")) -> SweepPlan:
    """The inverse of `SweepPlan.to_json`, for data that came from the file `source`.

    Raises EnvironmentProblem, which names the file, where the data is no such plan.
    """
    trials = data.get("trials")
    if isinstance(trials, list):  # the columns of a cell's cost stand beside its others
        trials = [trial | {"cost": trial} if isinstance(trial, dict) else trial for trial in trials]
    plan = dict(data) | {"cells": trials, "name": data.get("sweep")}
    cure = f"perhaps written by another version of fdt-sweep: {LAUNCH_AGAIN}"
    return parse_json(json.dumps(plan), SweepPlan, source, cure=cure)


def plan_sweep(path: Path, settings: Sequence[str] = (), data_dir: Path | None = None) -> SweepPlan:
    """Read the sweep file `path` (with `--set` `settings`) and resolve it to its plan.

    Needs no data: class counts and image sizes come from the catalogue, those of users' own data sets from `data_dir`.
    Raises UsageError.
    """
    file, sweep = load_sweep(path, settings)
    study = _Study(file, sweep, data_dir)
    check_selectors(file, sweep)
    kept, excluded = _excluded(sweep, study.grid())
    if not kept:
        file.fail(("exclude",), "leaves no trial", joint=[(f"{axis}s",) for axis in AXES])
    cells = [study.cell(point) for point in kept]
    return SweepPlan(
        name=sweep.name,
        cells=tuple(_in_running_order(cells)),
        excluded=excluded,
        resources=sweep.resources,
        checkpoint_interval=sweep.checkpoint_interval,
        keep=sweep.keep,
        warnings=(*study.slips, *unused_overrides(file, sweep, kept)),
    )


_Point = dict[str, Any]
"""A point of the grid: the names on each axis."""

_NETWORK: tuple[Place, ...] = (("models",), ("templates",), ("datasets",), ("width",), ("overrides",))
"""The keys of a sweep file that decide, with the budget, whether a network can be matched."""


class _Study:
    """Resolves the names of one sweep file; each distinct combination is matched once."""

    def __init__(self, file: YamlFile, sweep: Sweep, data_dir: Path | None) -> None:
        self._file = file
        self._sweep = sweep
        self._models: dict[str, Architecture] = {}
        self._templates: dict[str, Template] = {}
        self._datasets: dict[str, DatasetInfo] = {}
        for index, name in enumerate(sweep.models):
            self._models[name] = self._resolved(("models", index), architecture, name)
        for index, given in enumerate(sweep.templates):
            found = self._resolved(("templates", index), template, given)
            self._templates[found.name] = found
        for index, given_dataset in enumerate(sweep.datasets):
            info = self._resolved(("datasets", index), dataset_info, given_dataset, data_dir)
            self._datasets[info.name] = info
        self.slips: dict[str, None] = {}
        """Those in the recipes of the cells resolved so far, in order."""
        self._settings = functools.cache(self._settings_of)
        self._match = functools.cache(self._match_of)

    def grid(self) -> Iterator[_Point]:
        """All points, the seeds outermost: every cell gets its first seed before any gets its second."""
        for seed, dataset, model, template_name in itertools.product(
            self._sweep.seed_list, self._datasets, self._models, self._templates
        ):
            yield {"model": model, "template": template_name, "dataset": dataset, "seed": seed}

    def cell(self, point: _Point) -> Cell:
        """The resolved and matched cell of `point`."""
        overriding = tuple(i for i, rule in enumerate(self._sweep.overrides) if selects(rule.where, point))
        width, budget, recipe = self._settings(point["dataset"], overriding)
        found = self._match(point["model"], point["template"], point["dataset"], width, budget)
        spec = TrialSpec(
            model=point["model"],
            model_digest=source_digest(point["model"]),
            width=width,
            widths=tuple(found.widths),
            dataset=point["dataset"],
            image=self._datasets[point["dataset"]].image,
            seed=point["seed"],
            recipe=recipe,
            threads=self._sweep.resources.cpus,
        )
        return Cell(
            sweep=self._sweep.name,
            template=point["template"],
            spec=spec,
            trial_id=spec.trial_id,
            n=found.n,
            cost=found.cost,
            budget_metric=budget.metric,
            budget_rule=budget.rule,
            budget_target=float(found.target),
            budget_error=found.budget_error,
            train_images=self._datasets[point["dataset"]].train_images,
        )

    def _settings_of(self, dataset: str, overriding: tuple[int, ...]) -> tuple[float, Budget, Recipe]:
        """Width, budget and recipe for a data set under the overrides with these numbers, the last one winning."""
        width, budget = self._sweep.width, self._sweep.budget
        for index in overriding:
            width = self._sweep.overrides[index].width or width
            budget = self._sweep.overrides[index].budget or budget
        given, image = given_recipe(self._sweep, overriding), self._datasets[dataset].image
        recipe = resolve_recipe(self._file, given, dataset)
        self._resolved(
            given.place("validation"), held_out_images, self._datasets[dataset].train_images, recipe.validation
        )
        self.slips |= dict.fromkeys(recipe_slips(self._file, given, recipe, dataset, image))
        return width, budget, recipe

    def _match_of(self, model: str, template_name: str, dataset: str, width: float, budget: Budget) -> Match:
        if budget.rule == "paper":
            self._resolved(("budget",), require_paper_dataset, dataset, joint=_NETWORK)
        matched = functools.partial(match, image=self._datasets[dataset].image, width=width, budget=budget)
        network = self._models[model], self._templates[template_name]
        found: Match = self._resolved(("budget",), matched, *network, joint=_NETWORK)
        return found

    def _resolved(self, where: Place, resolve: Any, *arguments: Any, joint: Sequence[Place] = ()) -> Any:
        """`resolve(*arguments)`; its UsageError gets the file, line and key of `where`, or the settings at fault."""
        try:
            return resolve(*arguments)
        except UsageError as error:
            raise self._file.error(where, str(error), joint) from error


def _excluded(sweep: Sweep, points: Iterator[_Point]) -> tuple[list[_Point], tuple[Exclusion, ...]]:
    """The points that no rule of `exclude` selects, and the count that each rule took (the first that fits)."""
    counts = [0] * len(sweep.exclude)
    kept = []
    for point in points:
        rule = next((index for index, selector in enumerate(sweep.exclude) if selects(selector, point)), None)
        if rule is None:
            kept.append(point)
        else:
            counts[rule] += 1
    rules = [{axis: _as_json(want) for axis, want in selector.items()} for selector in sweep.exclude]
    return kept, tuple(Exclusion(rule=rule, cells=count) for rule, count in zip(rules, counts, strict=True))


def _in_running_order(cells: list[Cell]) -> list[Cell]:
    """Seed by seed, and within a seed the longest trials first, so that none of them ends up last and alone."""
    round_of: dict[int, int] = {}
    for cell in cells:
        round_of.setdefault(cell.spec.seed, len(round_of))
    return sorted(cells, key=lambda cell: (round_of[cell.spec.seed], -cell.training_macs))


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
