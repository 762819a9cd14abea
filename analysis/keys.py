"""What identifies trials and cells, and the order in which names are shown.

A trial is a cell and a seed; a cell is a run, model, width, template and data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fdt_core.datasets.info import dataset_names
from fdt_core.results.keys import CELL_KEY

BASE = "base"
"""The template that the others are compared with."""

BLOCK = ["run", "model", "width"]
"""What one table of the comparison is about."""

CELL = [*BLOCK, "template", "dataset"]

CELL_ROW = ["run", *CELL_KEY]
"""What makes a row of trials the row of one planned cell and seed."""

STATUSES = ("done", "failed", "diverged", "missing")


def model_name(model: str, width: float) -> str:
    """The model, with the multiplier of its filters where it is not 1."""
    return model if width == 1 else f"{model} x {width:g}"


def template_order(names: Iterable[str]) -> list[str]:
    """The distinct templates: base first, the others in alphabetical order."""
    return _in_order(names, [BASE])


def dataset_order(names: Iterable[str]) -> list[str]:
    """The distinct data sets: those that ship with the project first, in the paper's order."""
    return _in_order(names, dataset_names())


def listed(names: Sequence[str], most: int) -> str:
    """The first `most` names with commas between them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _in_order(names: Iterable[str], first: Sequence[str]) -> list[str]:
    """`names` without doubles: those of `first` in its order, then the others alphabetically."""
    present = set(names)
    return [name for name in first if name in present] + sorted(present - set(first))
