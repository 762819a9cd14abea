"""Settings without effect: legal, but probably unintended. Each is one line with its place, for `plan` to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fdt_core.files.yaml_file import YamlFile
from fdt_core.image import ImageShape
from fdt_core.results.cell_filter import AxisValue
from fdt_core.trial.recipe import Recipe
from orchestrator.plan.cell_recipe import GivenRecipe
from orchestrator.plan.cells import Cell
from orchestrator.plan.sweep_file import Sweep, selects

_ACTS_ONLY_WITH = {
    "momentum": ("optimiser", "sgd"),
    "nesterov": ("optimiser", "sgd"),
    "betas": ("optimiser", "adamw"),
    "eps": ("optimiser", "adamw"),
    "milestones": ("schedule", "multi_step"),
    "gamma": ("schedule", "multi_step"),
    "one_cycle_rise": ("schedule", "one_cycle"),
    "crop_padding": ("crop", "pad"),
    "crop_scale": ("crop", "random_resized"),
    "crop_ratio": ("crop", "random_resized"),
}
"""Fields of a recipe that are used only if another field has this value."""


def unused_overrides(file: YamlFile, sweep: Sweep, cells: Iterable[Mapping[str, AxisValue]]) -> Iterator[str]:
    """Overrides that select none of `cells` (points of the grid), for instance because `exclude` takes them all."""
    points = list(cells)
    for index, rule in enumerate(sweep.overrides):
        if not any(selects(rule.where, point) for point in points):
            yield str(file.error(("overrides", index), "selects no trial", joint=[("exclude",)]))


def equal_variants(file: YamlFile, sweep: Sweep, cells: Iterable[Cell]) -> Iterator[str]:
    """Variants that train the same everywhere as one before them: their rows would be copies."""
    trials: dict[str, list[str]] = {variant.name: [] for variant in sweep.variant_list}
    for cell in cells:
        trials[cell.variant].append(cell.trial_id)
    first: dict[tuple[str, ...], str] = {}
    for name, ids in trials.items():
        if ids and (other := first.setdefault(tuple(sorted(ids)), name)) != name:
            where = ("variants", name) if sweep.variants else ("vary",)
            yield str(file.error(where, f"{name} trains the same as {other}"))


def recipe_slips(
    file: YamlFile, given: GivenRecipe, recipe: Recipe, dataset: str, image: ImageShape, training_images: int
) -> Iterator[str]:
    """Fields of a recipe that do nothing, hide the images, or leave a batch that some networks cannot train on."""

    def slip(message: str, *fields: str) -> str:
        return str(file.error(given.place(*fields), message))

    training = f"in a training of {_epochs(recipe.epochs)} ({dataset})"
    for name, (other, needed) in _ACTS_ONLY_WITH.items():
        value = getattr(recipe, other)
        if name in given.fields and value != needed:
            yield slip(f"{name} does nothing with the {other} {value}", name)
    if recipe.schedule == "multi_step":
        late = [str(milestone) for milestone in recipe.milestones if milestone >= recipe.epochs]
        if late:
            yield slip(f"milestones {', '.join(late)} do nothing {training}", "milestones", "epochs")
    if recipe.schedule == "one_cycle":
        if recipe.warmup_epochs:
            yield slip("warmup_epochs does nothing with the schedule one_cycle, which warms up", "warmup_epochs")
    elif recipe.warmup_epochs >= recipe.epochs:
        warmup = f"a warm-up of {_epochs(recipe.warmup_epochs)}"
        yield slip(f"{warmup} leaves no epoch at the full learning rate {training}", "warmup_epochs", "epochs")
    if recipe.cutout >= image.size:
        hole = f"a cutout of {recipe.cutout} pixels"
        yield slip(f"{hole} can hide whole images of {dataset}, which are {image.size} pixels wide", "cutout")
    if training_images % recipe.batch_size == 1 < training_images:
        batches = f"batches of {recipe.batch_size} leave a last one of a single image of {dataset}"
        yield slip(f"{batches}, on which BatchNorm fails where maps have one pixel", "batch_size", "validation")


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"
