"""The figures of a study, drawn with matplotlib. Each is a function from a study to a `matplotlib.figure.Figure`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.filters import filters_of_study
from analysis.figures.fronts import fronts
from analysis.figures.heatmap import heatmap
from analysis.figures.intervals import intervals
from analysis.figures.learning import learning
from analysis.figures.ranks import ranks
from analysis.figures.scatter import accuracy_against_cost
from analysis.figures.sensitivity import sensitivity
from analysis.figures.style import common_look
from analysis.figures.trial_cost import trial_cost
from analysis.figures.tuning_budget import tuning_budget
from analysis.study import Study
from fdt_core.errors import unknown_name

FIGURES: dict[str, Callable[[Study], Figure]] = {
    "accuracy": accuracy_against_cost,
    "filters": filters_of_study,
    "learning": learning,
    "fronts": fronts,
    "differences": heatmap,
    "intervals": intervals,
    "ranks": ranks,
    "trial_cost": trial_cost,
    "sensitivity": sensitivity,
    "tuning_budget": tuning_budget,
}
"""Every figure, by its name, which is also the name of its file."""

OF_TUNING = frozenset({"sensitivity", "tuning_budget"})
"""The figures that only runs that tune have something to show in."""

FILE_FORMATS = ("pdf", "svg", "png")
_UNDATED: dict[str, dict[str, None] | None] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": None}


def save_figures(study: Study, folder: Path, formats: Iterable[str], names: Iterable[str] | None = None) -> list[Path]:
    """Draw the named figures into `folder`, a file per format, and return the files.

    Without `names`, that is all of them; those of tuning only if a run tunes.

    Raises:
        UsageError: an unknown figure or format.
    """
    drawable = [name for name in FIGURES if study.results.tuned or name not in OF_TUNING]
    wanted = [(name, format) for name in (drawable if names is None else names) for format in formats]
    for name, format in wanted:
        if name not in FIGURES:
            raise unknown_name("figure", name, FIGURES)
        if format not in FILE_FORMATS:
            raise unknown_name("format of figures", format, FILE_FORMATS)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {name: FIGURES[name](study) for name in dict.fromkeys(name for name, _ in wanted)}
    files = []
    for name, format in wanted:
        files.append(folder / f"{name}.{format}")
        with common_look():
            # Without a date, the same figure is always the same file.
            drawn[name].savefig(files[-1], dpi=200, metadata=_UNDATED[format])
    return files
