"""The validation accuracy that tuning with fewer candidates would be expected to find."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import Style, legend_below, panels, styled, styles
from analysis.keys import template_order
from analysis.records import of_block
from analysis.study import Study
from analysis.tuning.budgets import first_rung_words


@styled
def tuning_budget(study: Study) -> Figure:
    """The expected best of so many candidates, with bands of 95 % intervals over candidates.

    One row of panels per model, one column per data set.
    """
    blocks, looks = list(study.blocks()), styles(study.templates)
    figure, axes = panels(max(1, len(blocks)), max(1, len(study.datasets)), (2.9, 2.4))
    for row, (title, cells) in zip(axes, blocks, strict=False):
        budgets = of_block(study.budgets, cells)
        for axis, dataset in zip(row, study.datasets, strict=True):
            _draw(axis, budgets[budgets["dataset"] == dataset], looks)
            axis.set_title(f"{title}, {dataset}")
    for row in axes:
        row[0].set_ylabel("Expected best validation\naccuracy (%)")
    for axis in axes[-1]:
        axis.set_xlabel("Candidates")
    if study.results.tuned:
        figure.suptitle(f"Candidates {first_rung_words(study.results.tuned)}", fontsize=7)
    legend_below(figure)
    return figure


def _draw(axis: Axes, budgets: pd.DataFrame, looks: Mapping[str, Style]) -> None:
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if budgets.empty:
        axis.text(0.5, 0.5, "nothing to show", ha="center", transform=axis.transAxes)
    for template in template_order(budgets["template"]):
        curve, look = budgets[budgets["template"] == template], looks[template]
        axis.plot(
            curve["candidates"], curve["expected"], label=template, color=look.color, linestyle=look.dash,
            marker=look.marker, markersize=4, markevery=max(1, len(curve) // 8),
        )  # fmt: skip
        axis.fill_between(curve["candidates"], curve["low"], curve["high"], color=look.color, alpha=0.12, lw=0)
