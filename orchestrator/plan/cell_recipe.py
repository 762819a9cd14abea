"""The recipe of a cell: that of the sweep, with its overrides and the variant of the cell applied to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import WrongValue, YamlFile
from fdt_core.trial.recipe import Recipe, recipe_for
from orchestrator.plan.sweep_file import Sweep
from orchestrator.plan.variants import Variant

SET_BY_TUNING = ("evaluate_at", "evaluate_test")
"""Fields of a recipe that no sweep file gives."""


@dataclass(frozen=True, kw_only=True)
class GivenRecipe:
    """The fields of a recipe that a sweep file gives, `base` included, each with its place in the file."""

    fields: Mapping[str, object]
    places: Mapping[str, KeyPath]

    def place(self, *fields: str) -> KeyPath:
        """Where the first given one of `fields` is; where the recipe is if none is given."""
        return next((self.places[name] for name in fields if name in self.places), ("recipe",))


def given_recipe(sweep: Sweep, overriding: Sequence[int], *changes: Variant) -> GivenRecipe:
    """What the sweep, its overrides with these numbers, the variant and the candidate give; later ones win.

    One with a base starts afresh. The variant comes after the overrides: they must not make two variants equal.
    """
    rules = [_at(("recipe",), sweep.recipe)]
    rules += [_at(("overrides", index, "recipe"), sweep.overrides[index].recipe or {}) for index in overriding]
    fields: dict[str, object] = {}
    places: dict[str, KeyPath] = {}
    for rule in (*rules, *(GivenRecipe(fields=each.recipe, places=each.places) for each in changes)):
        if "base" in rule.fields:
            fields, places = {}, {}
        fields |= rule.fields
        places |= rule.places
    return GivenRecipe(fields=fields, places=places)


def _at(where: KeyPath, recipe: str | Mapping[str, object]) -> GivenRecipe:
    """The recipe that stands at this place of the file; a name is that of its base."""
    given = {"base": recipe} if isinstance(recipe, str) else recipe
    return GivenRecipe(fields=given, places={name: (*where, name) for name in given})


def resolve_recipe(file: YamlFile, given: GivenRecipe, dataset: str) -> Recipe:
    """The recipe for a data set. Raises UsageError naming the place of the wrong field."""
    for name in SET_BY_TUNING:
        if name in given.fields:
            file.fail(given.place(name), "is set by tuning alone: a comparison needs its test images")
    try:
        return recipe_for(given.fields, dataset)
    except WrongValue as error:
        # An error about several fields together names them in its message.
        named = [name for name in given.places if name in error.problem]
        fields = [str(error.where[0])] if error.where else named
        joint = [given.places[name] for name in fields if name in given.places]
        raise file.error((*given.place(*fields), *error.where[1:]), error.problem, joint) from error
