"""Filters per layer under each template, one panel per model (figure 2 of the paper, for real models)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import styles

FiltersByTemplate = Mapping[str, Sequence[int]]


def filters_per_layer(models: Mapping[str, FiltersByTemplate]) -> Figure:
    """The filters of each layer.

    Args:
        models: of each model the filters per slot under each template, shallow to deep.
    """
    figure = Figure(figsize=(4.4 * len(models) + 0.6, 3.8), layout="constrained")
    axes = figure.subplots(1, len(models), squeeze=False)[0]
    for axis, (model, filters) in zip(axes, models.items(), strict=True):
        _draw(axis, filters)
        axis.set_title(model)
    axes[0].set_ylabel("Filters")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
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
            linewidth=1.2,
            marker=look.marker,
            markersize=5,
            markevery=max(1, len(widths) // 16),
        )
    axis.set_xlabel("Layer")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
