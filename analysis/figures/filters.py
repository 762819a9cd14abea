"""Filters per layer for each template, one panel per model (figure 2 of the paper, for real models)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import legend_below, panels, styled, styles
from analysis.keys import template_order
from analysis.records import by_template
from analysis.study import Study

FiltersByTemplate = Mapping[str, Sequence[int]]


def filters_of_study(study: Study) -> Figure:
    """The filters of each layer for every model of a study. They are the same for all data sets, or nearly so."""
    blocks = {title: by_template(cells) for title, cells in study.blocks()}
    return filters_per_layer(
        {title: {name: cells[name]["widths"] for name in template_order(cells)} for title, cells in blocks.items()}
    )


@styled
def filters_per_layer(models: Mapping[str, FiltersByTemplate]) -> Figure:
    """The filters of each layer.

    Args:
        models: for each model, the filters per slot for each template, shallow to deep.
    """
    figure, axes = panels(1, max(1, len(models)), (3.2, 2.4))
    for axis, (model, filters) in zip(axes[0], models.items(), strict=False):
        _draw(axis, filters)
        axis.set_title(model)
    axes[0][0].set_ylabel("Filters")
    legend_below(figure)
    return figure


def _draw(axis: Axes, filters: FiltersByTemplate) -> None:
    looks = styles(list(filters))
    for template, widths in filters.items():
        look = looks[template]
        axis.plot(
            range(1, len(widths) + 1),
            widths,
            label=template,
            color=look.color,
            linestyle=look.dash,
            marker=look.marker,
            markersize=4,
            markevery=max(1, len(widths) // 16),
        )
    axis.set_xlabel("Layer")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(bottom=0)
