"""The tuning of a plan: what the key `tune` must fit, and the recipe that candidates are trained by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import YamlFile
from fdt_core.results.keys import BASE
from fdt_core.results.tuning import TUNED, TuningGroup
from fdt_core.results.tuning.tpe import NEEDS_OPTUNA, tpe_is_installed
from fdt_core.trial.recipe import Recipe
from orchestrator.plan.adaptive_seeds import AdaptiveSeeds
from orchestrator.plan.cells import BlockKey, Cell
from orchestrator.plan.sweep_file import Sweep
from orchestrator.plan.tune import DEFAULT_VALIDATION, FIRST_TUNING_SEED, SAMPLER, Tune


def check_tuning(file: YamlFile, sweep: Sweep) -> None:
    """Refuse a key `tune` that does not fit the rest of the sweep file. Raises UsageError naming the place."""
    tune = sweep.tune
    if tune is None:
        return
    if isinstance(sweep.seeds, AdaptiveSeeds):
        file.fail(("tune",), "needs a number of seeds, or a list, not adaptive ones", joint=[("seeds",)])
    if shared := sorted(set(tune.seed_list) & set(sweep.seed_list)):
        file.fail(("seeds",), f"must be below {FIRST_TUNING_SEED:,}: {shared[0]:,} is a seed that tuning uses")
    if tune.uses_tpe and not tpe_is_installed():
        file.fail(("tune", "sample", SAMPLER), NEEDS_OPTUNA)
    key = "vary" if tune.vary else "sample"
    for variant in sweep.variant_list:
        if both := sorted(set(variant.recipe) & set(tune.candidates[0].recipe)):
            file.fail(("tune", key, both[0]), "is set by the variants, too", joint=[variant.places[both[0]]])


def overruled(file: YamlFile, sweep: Sweep) -> Iterator[str]:
    """Fields of the recipe and its overrides that do nothing, because they are tuned."""
    fields = sweep.tune.candidates[0].recipe if sweep.tune else {}
    recipes: list[tuple[KeyPath, str | Mapping[str, object]]] = [(("recipe",), sweep.recipe)]
    recipes += [(("overrides", index, "recipe"), rule.recipe or {}) for index, rule in enumerate(sweep.overrides)]
    for where, recipe in recipes:
        for name in fields if isinstance(recipe, Mapping) else ():
            if name in recipe:
                yield str(file.error((*where, name), "does nothing: it is tuned"))


def tuning_recipe(file: YamlFile, tune: Tune, recipe: Recipe) -> Recipe:
    """The recipe of a candidate that would be compared with `recipe`: it never looks at a test image.

    Raises UsageError if the training has no rung before its end.
    """
    rungs = tuple(tune.halving.rungs(recipe.epochs)) if tune.halving else ()
    if tune.halving and not rungs:
        file.fail(
            ("tune", "halving", "first"), f"must be below the epochs, {recipe.epochs}", joint=[("recipe", "epochs")]
        )
    fields = {each.name: getattr(recipe, each.name) for each in dataclasses.fields(Recipe)}
    fields |= {"validation": tune.validation or recipe.validation or DEFAULT_VALIDATION, "evaluate_test": False}
    fields |= {"evaluate_at": rungs, "evaluate_every": recipe.epochs}
    return Recipe(**fields)


def check_groups(file: YamlFile, sweep: Sweep, cells: Sequence[Cell]) -> None:
    """Refuse a plan in which not all are tuned, or not all alike. Raises UsageError.

    Everything that is compared must be tuned, by the recipe that it is compared with. Templates that are compared with
    each other must have the same rungs.
    """
    if sweep.tune is None:
        return
    tuning = sweep.tune.decisions
    tuned = {cell.group(tuning) for cell in cells if cell.stage == TUNED}
    recipes: dict[tuple[TuningGroup, str], Recipe] = {}
    rungs: dict[BlockKey, tuple[int, ...]] = {}
    for cell in cells:
        group = cell.group(tuning)
        if group not in tuned:
            file.fail(("tune", "per"), f"{_named(cell)}: needs the template {BASE}, on which settings are tuned")
        recipe = _judged_alike(cell.spec.recipe)
        if recipes.setdefault((group, cell.candidate), recipe) != recipe:
            problem = "overrides give it other recipes by seed or template than those that are tuned"
            file.fail(("tune",), f"{_named(cell)}: {problem}", joint=[("overrides",)])
        if cell.stage == TUNED and rungs.setdefault(cell.block, cell.rungs) != cell.rungs:
            problem = "overrides give its templates other epochs, so their candidates would have unequal budgets"
            file.fail(("tune",), f"{_named(cell)}: {problem}", joint=[("overrides",)])


def _judged_alike(recipe: Recipe) -> Recipe:
    """The recipe but for what tuning and comparison evaluate."""
    return dataclasses.replace(recipe, validation=0.0, evaluate_test=True, evaluate_at=(), evaluate_every=1)


def _named(cell: Cell) -> str:
    return " ".join(filter(None, (cell.spec.model, f"width {cell.spec.width:g}", cell.variant, cell.spec.dataset)))
