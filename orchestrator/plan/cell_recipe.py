"""The recipe of a cell: that of the sweep, with the overrides that select the cell applied to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fdt_core.files.plain_yaml import KeyPath
from fdt_core.files.yaml_file import WrongValue, YamlFile
from fdt_core.trial.recipe import Recipe, recipe_for
from orchestrator.plan.sweep_file import Sweep


@dataclass(frozen=True, kw_only=True)
class GivenRecipe:
    """The fields of a recipe that a sweep file gives, `base` included, each with its place in the file."""

    fields: Mapping[str, object]
    places: Mapping[str, KeyPath]

    def place(self, *fields: str) -> KeyPath:
        """Where the first given one of `fields` is; where the recipe is if none is given."""
        return next((self.places[name] for name in fields if name in self.places), ("recipe",))


def given_recipe(sweep: Sweep, overriding: Sequence[int]) -> GivenRecipe:
    """What the sweep and its overrides with these numbers give; later ones win, and one with a base starts afresh."""
    fields: dict[str, object] = {}
    places: dict[str, KeyPath] = {}
    rules: list[tuple[KeyPath, str | Mapping[str, object]]] = [(("recipe",), sweep.recipe)]
    rules += [(("overrides", index, "recipe"), sweep.overrides[index].recipe or {}) for index in overriding]
    for where, recipe in rules:
        given = {"base": recipe} if isinstance(recipe, str) else dict(recipe)
        if "base" in given:
            fields, places = {}, {}
        fields |= given
        places |= {name: (*where, name) for name in given}
    return GivenRecipe(fields=fields, places=places)


def resolve_recipe(file: YamlFile, given: GivenRecipe, dataset: str) -> Recipe:
    """The recipe for a data set. Raises UsageError naming the place of the wrong field."""
    try:
        return recipe_for(given.fields, dataset)
    except WrongValue as error:
        # An error about several fields together names them in its message.
        named = [name for name in given.places if name in error.problem]
        fields = [str(error.where[0])] if error.where else named
        joint = [given.places[name] for name in fields if name in given.places]
        raise file.error((*given.place(*fields), *error.where[1:]), error.problem, joint) from error
