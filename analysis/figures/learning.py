"""Learning curves with bands over seeds; one row of panels per model, one column per data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.curves import bands, learning_curves
from analysis.figures.style import Style, legend_below, panels, styled, styles
from analysis.keys import BLOCK, template_order
from analysis.study import Study


@styled
def learning(study: Study, metric: str = "test_accuracy") -> Figure:
    """The mean of a metric over the done seeds by epoch, with a band of one standard deviation on each side."""
    blocks = list(study.blocks())
    found, looks = bands(learning_curves(study), metric), styles(study.templates)
    figure, axes = panels(max(1, len(blocks)), max(1, len(study.datasets)), (2.7, 2.3))
    for row, (title, cells) in zip(axes, blocks, strict=False):
        of_block = found.merge(cells[BLOCK].drop_duplicates(), on=BLOCK)
        for axis, dataset in zip(row, study.datasets, strict=True):
            _draw(axis, of_block[of_block["dataset"] == dataset], looks)
            axis.set_title(f"{title}, {dataset}")
    for axis in axes[-1]:
        axis.set_xlabel("Epoch")
    for row in axes:
        row[0].set_ylabel(metric.replace("_", " ").capitalize() + (" (%)" if metric.endswith("accuracy") else ""))
    legend_below(figure)
    return figure


def _draw(axis: Axes, curves: pd.DataFrame, looks: Mapping[str, Style]) -> None:
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for template in template_order(curves["template"]):
        curve, look = curves[curves["template"] == template], looks[template]
        axis.plot(
            curve["epoch"], curve["mean"], label=template, color=look.color, linestyle=look.dash, marker=look.marker,
            markersize=4, markevery=max(1, len(curve) // 8),
        )  # fmt: skip
        spread = curve["std"].fillna(0.0)
        axis.fill_between(
            curve["epoch"], curve["mean"] - spread, curve["mean"] + spread, color=look.color, alpha=0.12, lw=0
        )
