"""Templates as a sweep file writes them: `{name, points}` or `{name, widths}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from fdt_core.errors import UsageError, nearest_match
from fdt_core.scaling import exact
from fdt_core.templates.kinds import ExplicitWidths, Template
from fdt_core.templates.piecewise import Piecewise

KEYS = ("name", "points", "widths")


def inline_template(description: Mapping[str, object]) -> Template:
    """The template that `description` defines.

    Raises:
        UsageError: if the description is not valid; the message says why.
    """
    name = _name(description)
    for key in description:
        if key not in KEYS:
            raise _error(name, f"unknown key {key!r}{nearest_match(str(key), KEYS)} (known: {', '.join(KEYS)})")
    if ("points" in description) == ("widths" in description):
        raise _error(name, "give either points, [[position, height], ...], or widths, one per slot")
    if "points" in description:
        return Piecewise(name=name, points=tuple(_point(name, point) for point in _items(name, description, "points")))
    return ExplicitWidths(name=name, filters=tuple(_width(name, w) for w in _items(name, description, "widths")))


def _error(name: str, problem: str) -> UsageError:
    return UsageError(f"template {name!r}: {problem}")


def _name(description: Mapping[str, object]) -> str:
    name = description.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise UsageError(f"an inline template needs a name of letters, digits, '_', '-' and '.', not {name!r}")
    return name


def _items(name: str, description: Mapping[str, object], key: str) -> list[object]:
    items = description[key]
    if not isinstance(items, list | tuple):
        raise _error(name, f"{key} must be a list, not {items!r}")
    return list(items)


def _point(name: str, point: object) -> tuple[Fraction, Fraction]:
    if not isinstance(point, list | tuple) or len(point) != 2:
        raise _error(name, f"a point is [position, height], not {point!r}")
    return _number(name, point[0]), _number(name, point[1])


def _number(name: str, value: object) -> Fraction:
    """The exact value of a number as written; the text 1/3 is exactly one third."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
            raise ValueError
        return exact(value)
    except (ValueError, ZeroDivisionError):
        raise _error(name, f"positions and heights are numbers, not {value!r}") from None


def _width(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _error(name, f"widths are whole numbers, not {value!r}")
    return value
