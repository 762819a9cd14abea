"""The keys of trials and cells, and the order in which names are shown.

A trial is a cell and a seed; a cell is a run, model, width, variant, template and data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fdt_core.datasets.info import dataset_names
from fdt_core.results.keys import BASE, CELL_KEY

BLOCK = ["run", "model", "width", "variant"]
"""The key of one table of the comparison. No mean is taken over any of these."""

OVER_DATASETS = ["run", "variant"]
"""The key of a comparison over data sets, in which the models of a data set are averaged."""

CELL = [*BLOCK, "template", "dataset"]

CELL_ROW = ["run", *CELL_KEY]
"""The columns that assign a row of trials to one planned cell and seed."""

STATUSES = ("done", "failed", "diverged", "missing")


def model_name(model: str, width: float) -> str:
    """The model, with the multiplier of its filters unless that is 1."""
    return model if width == 1 else f"{model} x {width:g}"


def block_title(run: object, model: object, width: object, variant: object, *, several_runs: bool) -> str:
    """The title of a block: its model, then its variant if it has one, after its run if there are several."""
    name = model_name(str(model), float(str(width)))
    return f"{f'{run}: ' if several_runs else ''}{name}{f', {variant}' if variant else ''}"


def over_datasets_title(run: object, variant: object, title: str, *, several_runs: bool) -> str:
    """The title of a comparison over data sets, after its run if there are several, and its variant if it has one."""
    names = [str(name) for name, shown in ((run, several_runs), (variant, variant)) if shown]
    return f"{', '.join(names)}: {title[:1].lower()}{title[1:]}" if names else title


def template_order(names: Iterable[str]) -> list[str]:
    """The distinct templates: base first, the others in alphabetical order."""
    return _in_order(names, [BASE])


def dataset_order(names: Iterable[str]) -> list[str]:
    """The distinct data sets: first those that the project knows, in the paper's order."""
    return _in_order(names, dataset_names())


def _in_order(names: Iterable[str], first: Sequence[str]) -> list[str]:
    """`names` without duplicates: those of `first` in its order, then the others alphabetically."""
    present = set(names)
    return [name for name in first if name in present] + sorted(present - set(first))
