"""Selecting cells by their axes, as `where` and `exclude` in a sweep file and the option `--filter` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fdt_core.errors import UsageError, nearest_match, unknown_name

AXES = ("model", "variant", "template", "dataset", "seed")
"""The axes of a sweep's grid; columns of the results."""

AxisValue = str | int


@dataclass(frozen=True, kw_only=True)
class CellFilter:
    """One option `--filter`: which values of an axis to keep.

    Args:
        axis: one of `AXES`.
        patterns: values, in which `*` and `?` stand for any characters and for one.
        negated: whether what fits a pattern is left out instead.
    """

    axis: str
    patterns: tuple[str, ...]
    negated: bool

    def keeps(self, value: AxisValue) -> bool:
        """Whether the cells with this value stay."""
        return any(fits(pattern, str(value)) for pattern in self.patterns) != self.negated


def fits(pattern: AxisValue, value: AxisValue) -> bool:
    """Whether a value fits a pattern: names may use `*` and `?`, numbers must be equal."""
    return fnmatchcase(value, pattern) if isinstance(pattern, str) and isinstance(value, str) else pattern == value


def cell_filters(texts: Iterable[str], values: Mapping[str, Iterable[AxisValue]]) -> tuple[CellFilter, ...]:
    """The filters of the options `texts`: `template=a,c` keeps two templates, `model!=timm/*` leaves models out.

    Args:
        texts: the options as given.
        values: the values of each axis.

    Raises:
        UsageError: an option that is no filter, or that names an axis or a value that does not exist.
    """
    return tuple(_cell_filter(text, values) for text in texts)


def filter_text(texts: Iterable[str]) -> str:
    """The options as they are written on a command line."""
    return " ".join(f"--filter {text}" for text in texts)


def _cell_filter(text: str, values: Mapping[str, Iterable[AxisValue]]) -> CellFilter:
    axis, equals, wanted = text.partition("=")
    negated, axis = axis.endswith("!"), axis.removesuffix("!").strip()
    patterns = tuple(pattern.strip() for pattern in wanted.split(","))
    if not equals or not all(patterns):
        raise UsageError(f"--filter {text}: give AXIS=VALUE[,VALUE...] or AXIS!=VALUE[,VALUE...], as in template=a,c")
    if axis not in AXES:
        raise UsageError(f"--filter {text}: {unknown_name('axis', axis, AXES)}")
    known = list(dict.fromkeys(map(str, values[axis])))
    for pattern in patterns:
        if not any(fits(pattern, value) for value in known):
            raise UsageError(
                f"--filter {text}: no {axis} is {pattern!r}{nearest_match(pattern, known)} "
                f"(there are: {', '.join(known[:20])})"
            )
    return CellFilter(axis=axis, patterns=patterns, negated=negated)
