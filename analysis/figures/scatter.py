"""Accuracy against a cost, one panel per data set (figure 3 of the paper)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.cells import datasets_in_order, templates_in_order
from analysis.figures.style import styles
from analysis.tables import COSTS, model_name


def accuracy_against(cells: pd.DataFrame, cost: str = "params") -> Figure:
    """Mean accuracy with its standard deviation over seeds against a cost; a panel per data set, a line per model."""
    datasets = datasets_in_order(cells)
    figure = Figure(figsize=(3.4 * len(datasets) + 0.6, 3.2), layout="constrained")
    axes = figure.subplots(1, len(datasets), squeeze=False)[0]
    for axis, dataset in zip(axes, datasets, strict=True):
        _panel(axis, cells[cells["dataset"] == dataset], cost)
        axis.set_title(dataset)
    axes[0].set_ylabel("Test accuracy (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _panel(axis: Axes, cells: pd.DataFrame, cost: str) -> None:
    shown = next(each for each in COSTS if each.column == cost)
    scale = 1e3 if shown.unit == "M" and cells[cost].max() < 1e6 else shown.scale
    unit = "k" if scale == 1e3 else shown.unit
    looks = styles(templates_in_order(cells))
    for (model, width), of_model in cells.groupby(["model", "width"]):
        line = of_model.sort_values(cost)
        axis.plot(line[cost] / scale, line["mean"], color="0.75", linewidth=0.8, zorder=1)
        end = line.iloc[-1]
        axis.annotate(model_name(str(model), width), (end[cost] / scale, end["mean"]), fontsize=7, color="0.4")
        for template in templates_in_order(of_model):
            cell, look = of_model[of_model["template"] == template].iloc[0], styles([template]) and looks[template]
            axis.errorbar(
                cell[cost] / scale,
                cell["mean"],
                yerr=cell["std"],
                color=look.color,
                marker=look.marker,
                markersize=7,
                capsize=2,
                linestyle="none",
                label=template,
            )
    axis.set_xlabel(f"{shown.name} ({unit})")
    axis.grid(alpha=0.3)
