"""The tuning of a plan: what the key `tune` must fit, and the recipe that candidates are trained by."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fdt_core.files.yaml_file import YamlFile
from fdt_core.results.keys import BASE
from fdt_core.results.tuning import TUNED
from fdt_core.trial.recipe import Recipe
from orchestrator.plan.adaptive_seeds import AdaptiveSeeds
from orchestrator.plan.cells import Cell
from orchestrator.plan.sweep_file import Sweep
from orchestrator.plan.tune import FIRST_TUNING_SEED, Tune


def check_tuning(file: YamlFile, sweep: Sweep) -> None:
    """Refuse a key `tune` that does not fit the rest of the sweep file. Raises UsageError naming the place."""
    tune = sweep.tune
    if tune is None:
        return
    if isinstance(sweep.seeds, AdaptiveSeeds):
        file.fail(("tune",), "needs a number of seeds, or a list, not adaptive ones", joint=[("seeds",)])
    if shared := sorted(set(tune.seed_list) & set(sweep.seed_list)):
        file.fail(("seeds",), f"must be below {FIRST_TUNING_SEED:,}: {shared[0]:,} is a seed that tuning uses")
    key = "vary" if tune.vary else "sample"
    for variant in sweep.variant_list:
        if both := sorted(set(variant.recipe) & set(tune.candidates[0].recipe)):
            file.fail(("tune", key, both[0]), "is set by the variants, too", joint=[variant.places[both[0]]])


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
    fields |= {"validation": tune.validation, "evaluate_test": False}
    fields |= {"evaluate_at": rungs, "evaluate_every": recipe.epochs}
    return Recipe(**fields)


def check_groups(file: YamlFile, sweep: Sweep, cells: Sequence[Cell]) -> None:
    """Refuse a plan that compares something for which nothing is tuned: a template without base, tuned on base."""
    if sweep.tune is None:
        return
    tuning = sweep.tune.decisions
    tuned = {cell.group(tuning) for cell in cells if cell.stage == TUNED}
    for cell in cells:
        if cell.group(tuning) not in tuned:
            block = " ".join(filter(None, (cell.spec.model, cell.variant, cell.spec.dataset)))
            file.fail(("tune", "per"), f"{block}: needs the template {BASE}, on which settings are tuned")
