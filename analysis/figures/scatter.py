"""Accuracy against a cost, one panel per data set (figure 3 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.costs import Cost, measured_costs
from analysis.figures.style import Fill, Style, fills, legend_below, panels, styled, styles
from analysis.keys import template_order
from analysis.records import by_template
from analysis.study import Study
from fdt_core.results.keys import BASE


@styled
def accuracy_against_cost(study: Study, cost: str = "params") -> Figure:
    """Mean accuracy and its standard deviation over seeds, against a cost. Base is a star; models differ in fill."""
    shown, looks = measured_costs(study.cells, [cost]), styles(study.templates)
    fill_of = fills(title for title, _ in study.blocks())
    figure, axes = panels(1, max(1, len(study.datasets)), (2.7, 2.6))
    for axis, dataset in zip(axes[0], study.datasets, strict=False):
        axis.set_title(dataset)
        for title, cells in study.blocks():
            for each in shown:
                draw_points(axis, cells[cells["dataset"] == dataset], each, looks, fill_of[title])
                axis.set_xlabel(each.title)
                if _spans_decades(study.cells[each.column]):
                    axis.set_xscale("log")
    axes[0][0].set_ylabel(f"Test accuracy (%), {study.accuracy} epoch")
    legend_below(figure, fill_of if len(fill_of) > 1 else None)
    return figure


def _spans_decades(values: pd.Series[float]) -> bool:
    """Whether a linear axis would crowd most of the points at its lower end."""
    known = values[values > 0]
    return len(known) > 0 and bool(known.max() > 50 * known.min())


def draw_points(
    axis: Axes, cells: pd.DataFrame, cost: Cost, looks: Mapping[str, Style], fill: Fill, *, joined: bool = True
) -> None:
    """The cells of one model on one data set as points with error bars, joined by a thin line."""
    known = cells.dropna(subset=["mean", cost.column]).sort_values(cost.column)
    known = known.assign(x=known[cost.column] / cost.scale)
    if joined:
        axis.plot(known["x"], known["mean"], color="0.8", linewidth=0.8, zorder=1)
    points = by_template(known)
    for template in template_order(points):
        point, look = points[template], looks[template]
        axis.errorbar(
            point["x"], point["mean"], yerr=_bar(point["std"]), label=template,
            color=look.color, marker=look.marker, fillstyle=fill, markersize=9 if template == BASE else 6,
            linestyle="none", capsize=2.5, elinewidth=1,
        )  # fmt: skip


def _bar(std: float) -> float | None:
    """The error bar; None for one seed, which has no spread."""
    return None if pd.isna(std) else std
