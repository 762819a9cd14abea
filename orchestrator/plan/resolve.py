"""From a sweep file to its plan: every cell resolved, budget-matched and identified, as plain data."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.info import DatasetInfo
from fdt_core.errors import UsageError
from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import YamlFile
from fdt_core.matching.match import Budget, Match, match
from fdt_core.matching.paper_tables import require_paper_dataset
from fdt_core.models import ModelIdentity, find_model, model_identity
from fdt_core.networks.family import Model
from fdt_core.results.cell_filter import AXES, AxisValue
from fdt_core.results.looks import Looks
from fdt_core.results.tuning import COMPARED, TUNED, Stage
from fdt_core.templates import Template, template
from fdt_core.tracing.trace_ahead import trace_ahead
from fdt_core.tracing.traced_network import TracedModel
from fdt_core.trial.recipe import Recipe, held_out_images
from fdt_core.trial.spec import TrialSpec
from orchestrator.plan.adaptive_seeds import AdaptiveSeeds
from orchestrator.plan.cell_recipe import given_recipe, resolve_recipe
from orchestrator.plan.cells import Cell, Exclusion, SweepPlan, as_json
from orchestrator.plan.ineffective_settings import equal_variants, recipe_slips, unused_overrides
from orchestrator.plan.planned_looks import lone_cells, plan_looks
from orchestrator.plan.planned_tuning import check_groups, check_tuning, overruled, tuning_recipe
from orchestrator.plan.sweep_file import Sweep, check_selectors, load_sweep, selects
from orchestrator.plan.variants import NONE, Variant


def plan_sweep(path: Path, settings: Sequence[str] = (), data_dir: Path | None = None) -> SweepPlan:
    """Read the sweep file `path` (with `--set` `settings`) and resolve it to its plan.

    Needs no data: class counts and image sizes come from the catalogue, those of users' data sets from `data_dir`.
    Raises UsageError.
    """
    file, sweep = load_sweep(path, settings)
    study = _Study(file, sweep, data_dir)
    check_selectors(file, sweep)
    check_tuning(file, sweep)
    kept, excluded = _excluded(sweep, study.grid())
    if not kept:
        file.fail(("exclude",), "leaves no trial", joint=[(f"{axis}s",) for axis in AXES])
    study.trace_ahead(kept)
    cells = [study.cell(point) for point in kept]
    check_groups(file, sweep, cells)
    return SweepPlan(
        looks=study.looks(cells),
        tuning=sweep.tune.decisions if sweep.tune else None,
        name=sweep.name,
        cells=tuple(_in_running_order(cells)),
        excluded=excluded,
        resources=sweep.resources,
        checkpoint_interval=sweep.checkpoint_interval,
        report_interval=sweep.report_interval,
        checkpoint_bandwidth=sweep.checkpoint_bandwidth,
        keep=sweep.keep,
        warnings=(
            *study.slips,
            *study.coarse_budgets(),
            *unused_overrides(file, sweep, (point.axes() for point in kept)),
            *equal_variants(file, sweep, cells),
            *study.lone_cells(cells),
            *overruled(file, sweep),
        ),
        width_steps={model: (min(steps), max(steps)) for model, steps in study.width_steps.items()},
    )


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A point of the grid."""

    model: str
    variant: Variant
    template: str
    dataset: str
    seed: int
    stage: Stage = COMPARED
    candidate: Variant = NONE

    def axes(self) -> dict[str, AxisValue]:
        """The values by axis, for selectors."""
        return {
            "model": self.model,
            "variant": self.variant.name,
            "template": self.template,
            "dataset": self.dataset,
            "seed": self.seed,
        }


COARSE_STEP = 0.01
"""Part of a budget: where one step of n costs more, the networks of a study may differ visibly in cost."""

_NETWORK: tuple[KeyPath, ...] = (("models",), ("templates",), ("datasets",), ("width",), ("overrides",))
"""The keys of a sweep file that decide, with the budget, whether a network can be matched."""


class _Study:
    """Resolves the names of one sweep file; each distinct combination is matched once."""

    def __init__(self, file: YamlFile, sweep: Sweep, data_dir: Path | None) -> None:
        self._file = file
        self._sweep = sweep
        self._models: dict[str, Model] = {}
        self._templates: dict[str, Template] = {}
        self._datasets: dict[str, DatasetInfo] = {}
        self._variants = {variant.name: variant for variant in sweep.variant_list}
        self._candidates = {candidate.name: candidate for candidate in sweep.candidate_list}
        for index, definition in enumerate(sweep.models):
            with self._blaming(("models", index)):
                self._models[definition.label] = find_model(definition)
        for index, given in enumerate(sweep.templates):
            with self._blaming(("templates", index)):
                found = template(given)
                self._templates[found.name] = found
        for index, given_dataset in enumerate(sweep.datasets):
            with self._blaming(("datasets", index)):
                info = dataset_info(given_dataset, data_dir)
                self._datasets[info.name] = info
        self.slips: dict[str, None] = {}
        """Slips in the recipes of the cells resolved so far, in order."""
        self.width_steps: dict[str, list[float]] = {}
        """For each model, what one more n adds to the cost of its networks, as parts of the target."""
        self._settings = functools.cache(self._settings_of)
        self._match = functools.cache(self._match_of)
        self._identity = functools.cache(self._identity_of)

    def grid(self) -> Iterator[_Point]:
        """All points, those of tuning first, and the seeds outermost: every cell gets its first before any its second.

        In a tuned sweep, each point of the comparison stands once for each candidate, of which one will win.
        """
        tune = self._sweep.tune
        stages = [(TUNED, tune.seed_list)] if tune else []
        for stage, seeds in (*stages, (COMPARED, self._sweep.seed_list)):
            for seed, dataset, model, variant, template_name, candidate in itertools.product(
                seeds,
                self._datasets,
                self._models,
                self._sweep.variant_list,
                self._templates,
                self._candidates.values(),
            ):
                if stage == COMPARED or (tune and tune.decisions.tunes(template_name)):
                    yield _Point(
                        model=model,
                        variant=variant,
                        template=template_name,
                        dataset=dataset,
                        seed=seed,
                        stage=stage,
                        candidate=candidate,
                    )

    def trace_ahead(self, points: Iterable[_Point]) -> None:
        """Trace the networks of `points` on all cores. Without it, they are traced one by one as their cells come."""
        networks = {(point.model, point.dataset): self._models[point.model] for point in points}
        trace_ahead(
            (model.definition, self._datasets[dataset].image)
            for (_, dataset), model in networks.items()
            if isinstance(model, TracedModel)
        )

    def cell(self, point: _Point) -> Cell:
        """The resolved and matched cell of `point`."""
        overriding = tuple(i for i, rule in enumerate(self._sweep.overrides) if selects(rule.where, point.axes()))
        width, budget, recipe = self._settings(
            point.dataset, overriding, point.variant.name, point.candidate.name, point.stage
        )
        identity = self._identity(point.model, point.dataset)
        found = self._match(point.model, point.template, point.dataset, width, budget)
        spec = TrialSpec(
            model=point.model,
            model_digest=identity.digest,
            traced=identity.traced,
            width=width,
            widths=tuple(found.widths),
            dataset=point.dataset,
            image=self._datasets[point.dataset].image,
            seed=point.seed,
            recipe=recipe,
            threads=self._sweep.resources.cpus,
        )
        return Cell(
            sweep=self._sweep.name,
            variant=point.variant.name,
            stage=point.stage,
            candidate=point.candidate.name,
            template=point.template,
            spec=spec,
            trial_id=spec.trial_id,
            n=found.n,
            cost=found.cost,
            budget_metric=budget.metric,
            budget_rule=budget.rule,
            budget_target=float(found.target),
            budget_error=found.budget_error,
            train_images=self._datasets[point.dataset].train_images,
        )

    def looks(self, cells: Sequence[Cell]) -> Looks | None:
        """When to look at the comparisons; None if the number of seeds is given."""
        seeds = self._sweep.seeds
        if not isinstance(seeds, AdaptiveSeeds):
            return None
        with self._blaming(("seeds",), joint=(("templates",), ("overrides",))):
            return plan_looks(seeds, cells)

    def lone_cells(self, cells: Sequence[Cell]) -> Iterator[str]:
        """Cells of a sweep with adaptive seeds that are compared with nothing."""
        seeds = self._sweep.seeds
        if isinstance(seeds, AdaptiveSeeds) and (warning := lone_cells(seeds, cells)):
            yield str(self._file.error(("seeds",), warning))

    def _settings_of(
        self, dataset: str, overriding: tuple[int, ...], variant: str, candidate: str, stage: Stage
    ) -> tuple[float, Budget, Recipe]:
        """Width, budget and recipe for a data set, under the overrides with these numbers."""
        width, budget = self._sweep.width, self._sweep.budget
        for index in overriding:
            width = self._sweep.overrides[index].width or width
            budget = self._sweep.overrides[index].budget or budget
        given = given_recipe(self._sweep, overriding, self._variants[variant], self._candidates[candidate])
        image = self._datasets[dataset].image
        recipe = resolve_recipe(self._file, given, dataset)
        if stage == TUNED and self._sweep.tune:
            recipe = tuning_recipe(self._file, self._sweep.tune, recipe)
        training_images = self._datasets[dataset].train_images
        with self._blaming(given.place("validation")):
            training_images -= held_out_images(training_images, recipe.validation)
        self.slips |= dict.fromkeys(recipe_slips(self._file, given, recipe, dataset, image, training_images))
        return width, budget, recipe

    def _identity_of(self, model: str, dataset: str) -> ModelIdentity:
        """The identity of a model for a data set; a network is traced here, so that its own problem is reported."""
        with self._blaming(("models", [*self._models].index(model)), joint=(("datasets",),)):
            return model_identity(self._models[model], self._datasets[dataset].image)

    def _match_of(self, model: str, template_name: str, dataset: str, width: float, budget: Budget) -> Match:
        with self._blaming(("budget",), joint=_NETWORK):
            if budget.rule == "paper":
                require_paper_dataset(dataset)
            image = self._datasets[dataset].image
            found = match(self._models[model], self._templates[template_name], image=image, width=width, budget=budget)
        if found.step is not None:
            self.width_steps.setdefault(model, []).append(found.step)
        return found

    def coarse_budgets(self) -> Iterator[str]:
        """Models whose filters are multiples, so that their networks cannot come close to a budget."""
        for index, (model, found) in enumerate(self._models.items()):
            images = [info.image for info in self._datasets.values()]
            step = max(self.width_steps.get(model, ()), default=0.0)
            multiples = {each for image in images for each in found.family(image=image, width=1.0).multiples} - {1}
            if step > COARSE_STEP and multiples:
                shown = ", ".join(str(multiple) for multiple in sorted(multiples))
                message = f"the filters of {model} are multiples of {shown}: one step of n costs up to {step:.1%}"
                yield str(self._file.error(("models", index), f"{message} of the budget"))

    @contextmanager
    def _blaming(self, where: KeyPath, joint: Sequence[KeyPath] = ()) -> Iterator[None]:
        """Give a UsageError the file, line and key of `where`, or name the settings at fault together."""
        try:
            yield
        except UsageError as error:
            raise self._file.error(where, str(error), joint) from error


def _excluded(sweep: Sweep, points: Iterator[_Point]) -> tuple[list[_Point], tuple[Exclusion, ...]]:
    """The points that no rule of `exclude` selects, and how many each rule took; the first that fits takes a point."""
    counts = [0] * len(sweep.exclude)
    kept = []
    for point in points:
        rule = next((index for index, selector in enumerate(sweep.exclude) if selects(selector, point.axes())), None)
        if rule is None:
            kept.append(point)
        else:
            counts[rule] += point.stage == COMPARED and point.candidate.name == sweep.candidate_list[0].name
    rules = [{axis: as_json(want) for axis, want in selector.items()} for selector in sweep.exclude]
    return kept, tuple(Exclusion(rule=rule, cells=count) for rule, count in zip(rules, counts, strict=True))


def _in_running_order(cells: list[Cell]) -> list[Cell]:
    """Tuning first, then seed by seed, and within a seed the longest trials first: none ends up last and alone."""
    round_of: dict[int, int] = {}
    for cell in cells:
        round_of.setdefault(cell.spec.seed, len(round_of))
    return sorted(cells, key=lambda cell: (cell.stage == COMPARED, round_of[cell.spec.seed], -cell.training_macs))
