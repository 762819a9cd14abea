"""How much the accuracy depends on what is tuned: the candidates of each template, at the first rung."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from analysis.figures.style import Style, legend_below, panels, styled, styles
from analysis.keys import BLOCK
from analysis.study import Study
from analysis.tuning.budgets import first_rung_words
from analysis.tuning.candidates import Scale, accuracies_of, candidate_points, in_block, scale_of
from analysis.tuning.groups import TunedGroup

_STRIP = 0.6
"""The width of a template's strip; its neighbour is at 1."""


@styled
def sensitivity(study: Study) -> Figure:
    """Validation accuracy of every candidate at the first rung; one row of panels per model, one column per data set.

    A single tuned number has an axis, and each template a line. Otherwise each template has a strip of points, in the
    order drawn. A ring marks the chosen candidate, a cross at the bottom one that diverged or was given up.
    """
    blocks, groups = list(study.blocks()), study.results.tuned
    looks, scale = styles(study.templates), scale_of(groups)
    figure, axes = panels(max(1, len(blocks)), max(1, len(study.datasets)), (2.9, 2.4))
    for row, (title, cells) in zip(axes, blocks, strict=False):
        block = cells[BLOCK].iloc[0].tolist()
        for axis, dataset in zip(row, study.datasets, strict=True):
            _draw(axis, in_block(groups, block, dataset), scale, looks)
            axis.set_title(f"{title}, {dataset}")
    for row in axes:
        row[0].set_ylabel("Validation accuracy (%)")
    if groups:
        figure.suptitle(f"Candidates {first_rung_words(groups)}", fontsize=7)
    legend_below(figure)
    return figure


def _draw(axis: Axes, groups: Mapping[str, TunedGroup], scale: Scale | None, looks: Mapping[str, Style]) -> None:
    if not groups:
        axis.text(0.5, 0.5, "nothing to show", ha="center", transform=axis.transAxes)
    if scale and scale.log:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter("{x:g}")  # powers of ten, as by default, overlap where there are few decades
        axis.xaxis.set_minor_formatter(NullFormatter())
    if groups:
        axis.set_xlabel(scale.title if scale else "Template")
    if not scale:
        axis.set_xticks(range(len(groups)), list(groups))
    chosen: list[tuple[float, float]] = []
    for number, (template, group) in enumerate(groups.items()):
        points, look = candidate_points(group, scale), looks[template]
        places = [point.value if scale else number + _STRIP * (point.value - 0.5) for point in points]
        axis.plot(
            places, accuracies_of(points), label=template, color=look.color, marker=look.marker, markersize=4,
            linestyle=look.dash if scale else "none",
        )  # fmt: skip
        at = list(zip(places, points, strict=True))
        chosen += [(place, point.accuracy) for place, point in at if point.chosen and point.accuracy is not None]
        lost = [place for place, point in at if point.accuracy is None and not point.waits]
        height = 0.03 + (0.035 * number if scale else 0)  # those of several templates may have the same value
        axis.plot(
            lost, [height] * len(lost), linestyle="none", marker="x", markersize=4, color=look.color,
            transform=axis.get_xaxis_transform(),
        )  # fmt: skip
    for place, accuracy in chosen:
        axis.plot(
            place, accuracy, linestyle="none", marker="o", markersize=9, fillstyle="none", color="0.25", label="chosen"
        )
