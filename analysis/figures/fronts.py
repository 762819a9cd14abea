"""Pareto fronts of accuracy against parameters, MACs, memory and latency; one row of panels per data set."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.costs import Cost, measured_costs
from analysis.figures.scatter import draw_points
from analysis.figures.style import fills, legend_below, panels, styled, styles
from analysis.pareto import on_front
from analysis.study import Study

COSTS = ("params", "macs", "memory", "latency")


@styled
def fronts(study: Study) -> Figure:
    """All models and templates in each panel, with the Pareto front: a cell below the line is beaten by another."""
    costs, looks = measured_costs(study.cells, COSTS), styles(study.templates)
    fill_of = fills(title for title, _ in study.blocks())
    figure, axes = panels(max(1, len(study.datasets)), max(1, len(costs)), (2.5, 2.1))
    for row, dataset in zip(axes, study.datasets, strict=False):
        for axis, cost in zip(row, costs, strict=True):
            of_dataset = study.cells[study.cells["dataset"] == dataset]
            _draw_front(axis, of_dataset, cost)
            for title, cells in study.blocks():
                of_model = cells[cells["dataset"] == dataset]
                draw_points(axis, of_model, cost, looks, fill_of[title], joined=False)
            axis.set_xlabel(cost.title)
        row[0].set_ylabel(f"{dataset}\ntest accuracy (%)")
    legend_below(figure, fill_of if len(fill_of) > 1 else None)
    return figure


def _draw_front(axis: Axes, cells: pd.DataFrame, cost: Cost) -> None:
    front = cells[on_front(cells["mean"], cells[cost.column])].sort_values(cost.column)
    axis.step(
        front[cost.column] / cost.scale,
        front["mean"],
        where="post",
        color="0.6",
        linewidth=1.2,
        zorder=0,
        label="Pareto front",
    )
