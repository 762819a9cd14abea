"""The variants of a sweep: named changes of the recipe, which are an axis of the grid."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fdt_core.files.plain_yaml import KeyPath


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant.

    Args:
        name: its name; empty for the only one of a sweep without variants.
        recipe: the fields of the recipe that it sets, `base` included.
        places: the place of each field in the sweep file.
    """

    name: str
    recipe: Mapping[str, object]
    places: Mapping[str, KeyPath]


NONE = Variant(name="", recipe={}, places={})
"""The variant of all trials of a sweep that names none."""


def all_variants(
    named: Mapping[str, str | Mapping[str, object]], vary: Mapping[str, Sequence[object]]
) -> tuple[Variant, ...]:
    """The variants of a sweep, in an order that does not depend on the order of the keys in its file.

    Args:
        named: the key `variants`: for each name, the fields that it sets, or the name of a recipe.
        vary: the key `vary`: for each field, its values. Every combination is a variant, named by its values:
            `learning_rate=0.05/weight_decay=1e-05`.
    """
    if named:
        return tuple(_named(name, recipe) for name, recipe in sorted(named.items()))
    return grid_variants(vary, ("vary",)) if vary else (NONE,)


def grid_variants(vary: Mapping[str, Sequence[object]], where: KeyPath) -> tuple[Variant, ...]:
    """A variant for every combination of the values of `vary`, which stands at `where` in the sweep file."""
    numbered = [[(field, index) for index in range(len(values))] for field, values in sorted(vary.items())]
    return tuple(_of_grid(vary, point, where) for point in itertools.product(*numbered))


def setting_name(fields: Mapping[str, object]) -> str:
    """The name of settings: `learning_rate=0.05/weight_decay=1e-05`."""
    return "/".join(f"{field}={_text(value)}" for field, value in fields.items())


def _named(name: str, recipe: str | Mapping[str, object]) -> Variant:
    fields = {"base": recipe} if isinstance(recipe, str) else recipe
    return Variant(name=name, recipe=fields, places={field: ("variants", name, field) for field in fields})


def _of_grid(vary: Mapping[str, Sequence[object]], point: Sequence[tuple[str, int]], where: KeyPath) -> Variant:
    chosen = {field: vary[field][index] for field, index in point}
    return Variant(
        name=setting_name(chosen),
        recipe=chosen,
        places={field: (*where, field, index) for field, index in point},
    )


def _text(value: object) -> str:
    """A value as part of a name: as YAML writes it, without spaces."""
    if isinstance(value, bool):
        return str(value).lower()
    return "-".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)
