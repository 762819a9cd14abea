"""The critical-difference diagram: mean ranks over data sets, and which templates are not separated (Demšar, 2006)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import panels, styled, styles
from analysis.keys import OVER_DATASETS, over_datasets_title
from analysis.statistics.ranks import RankAnalysis, rank_analysis
from analysis.study import Study
from analysis.tables.numbers import p_text
from fdt_core.quantities import counted


@styled
def ranks(study: Study) -> Figure:
    """One panel per run and variant.

    A bar joins templates whose mean ranks differ by no more than the critical difference.
    """
    several = study.cells["run"].nunique() > 1
    analyses = {key: rank_analysis(cells) for key, cells in study.cells.groupby(OVER_DATASETS)}
    most = max((len(found.mean_ranks) for found in analyses.values()), default=1)
    figure, axes = panels(max(1, len(analyses)), 1, (4.6, 0.7 + 0.15 * most))
    for axis, ((run, variant), found) in zip(axes, analyses.items(), strict=False):
        _draw(axis[0], found)
        title = f"Mean ranks over {counted(found.datasets, 'data set')}{_test(found)}"
        axis[0].set_title(over_datasets_title(run, variant, title, several_runs=several))
    return figure


def _test(found: RankAnalysis) -> str:
    return " (not tested)" if found.p is None else f", Friedman's test: p {p_text(found.p)}"


def _draw(axis: Axes, found: RankAnalysis) -> None:
    """The scale of ranks on top, the best template's name on the left, and the bars between."""
    names, places = list(map(str, found.mean_ranks.index)), found.mean_ranks.to_numpy(dtype=float)
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.spines["top"].set_visible(True)
    axis.xaxis.set_ticks_position("top")
    axis.set_yticks([])
    count = max(2, len(names))
    axis.set_xlim(0.5, count + 0.5)
    axis.set_xticks(range(1, count + 1))
    groups = _groups(places, found.critical_difference)
    left = (len(names) + 1) // 2
    depth = 0.5 + 0.35 * len(groups)
    axis.set_ylim(depth + 0.6 * (left - 1) + 0.2, 0)
    looks = styles(names)
    for number, (name, place) in enumerate(zip(names, places.tolist(), strict=True)):
        on_left = number < left
        level = depth + 0.6 * (number if on_left else len(names) - 1 - number)
        end = 0.6 if on_left else count + 0.4
        axis.plot([place, place, end], [0, level, level], color=looks[name].color, linewidth=1)
        axis.text(end, level, f" {name} ", ha="left" if on_left else "right", va="bottom")
    for number, (first, last) in enumerate(groups):
        level = 0.3 + 0.35 * number
        axis.plot([places[first] - 0.05, places[last] + 0.05], [level, level], color="0.2", linewidth=3)


def _groups(places: np.ndarray, reach: float | None) -> list[tuple[int, int]]:
    """The first and last template of each largest group that is not separated; places are sorted."""
    if reach is None:
        return []
    spans = [
        (first, int(np.searchsorted(places, place + reach, side="right")) - 1) for first, place in enumerate(places)
    ]
    return [
        (first, last) for first, last in spans if last > first and not any(f < first and last <= e for f, e in spans)
    ]
