"""Accuracy against cost, with intervals and the margin: the plot of the first screen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.costs import Cost, measured_costs
from analysis.figures.style import Style, styles
from analysis.keys import BASE, template_order
from analysis.records import Record, by_template
from analysis.report.drawings import SYMBOLS, Drawing, Plot, Trace, drawing, in_words, rounded, transparent
from analysis.report.points import by_model_and_dataset, cell_points, seed_points, shown_datasets
from analysis.study import Study
from fdt_core.quantities import counted

COSTS = ("params", "macs", "memory", "latency", "training")
ALL = "all models"


@dataclass(frozen=True, kw_only=True)
class ModelPoints:
    """The points of one model on one data set.

    Args:
        title: the model's.
        symbol: the variant of its markers.
        cells: as `cell_points`.
        seeds: the accuracies of the seeds of each template.
    """

    title: str
    symbol: str
    cells: pd.DataFrame
    seeds: dict[str, list[float]]


def accuracy_plot(study: Study) -> Plot:
    """Accuracy against each cost, for each model and for all together, on each data set and in their mean."""
    titles = [title for title, _ in study.blocks()]
    models = {title: [title] for title in titles} | ({ALL: titles} if len(titles) > 1 else {})
    datasets = shown_datasets(study)
    costs = {cost.title: cost for cost in measured_costs(study.cells, COSTS)}
    found = _model_points(study)
    drawings = {}
    for (model, shown), dataset, (label, cost) in itertools.product(models.items(), datasets, costs.items()):
        chosen = [found[title, dataset] for title in shown if (title, dataset) in found]
        if any(each.cells["mean"].notna().any() for each in chosen):
            drawings[f"{model}|{dataset}|{label}"] = _scatter(study, chosen, dataset, cost)
    hint = (
        f"Test accuracy of the {study.accuracy} epoch. Large markers: means over seeds; small ones: seeds. Star: base; "
        f"band: {study.question.margin:g} points around it. Bars: 95 % intervals of the difference to base; they hold "
        "all together."
    )
    choices = {"Model": list(models), "Data set": datasets, "Cost": list(costs)}
    return Plot(name="accuracy", title="Accuracy against cost", hint=hint, choices=choices, drawings=drawings)


def _model_points(study: Study) -> dict[tuple[str, str], ModelPoints]:
    cells = by_model_and_dataset(study, cell_points(study))
    seeds = by_model_and_dataset(study, seed_points(study))
    symbols = dict(zip((title for title, _ in study.blocks()), itertools.cycle(SYMBOLS), strict=False))
    return {
        (title, dataset): ModelPoints(
            title=title,
            symbol=symbols[title],
            cells=points,
            seeds={
                str(template): rows["accuracy"].tolist() for template, rows in seeds[title, dataset].groupby("template")
            }
            if (title, dataset) in seeds
            else {},
        )
        for (title, dataset), points in cells.items()
    }


def _scatter(study: Study, models: Sequence[ModelPoints], dataset: str, cost: Cost) -> Drawing:
    alone = len(models) == 1
    looks = styles(study.templates)
    traces: list[Trace] = []
    words: list[str] = []
    for model in models:
        cells = by_template(model.cells.dropna(subset=["mean", cost.column]))
        for template in template_order(cells):
            cell = cells[template]
            name = template if alone else f"{model.title}: {template}"
            traces += _traces(cell, name, looks[template], model, cost, with_seeds=alone)
            words.append(f"{name}: {_words(cell, cost)}")
    where = f"{', '.join(model.title for model in models)}, {dataset}"
    alt = f"Test accuracy against {cost.title} of {where}. {in_words(words)}."
    drawn = drawing(traces, cost.title, "Test accuracy (%)", alt)
    if alone:
        drawn["layout"]["shapes"] = list(_band(models[0].cells, study.question.margin))
    return drawn


def _traces(
    cell: Record, name: str, look: Style, model: ModelPoints, cost: Cost, *, with_seeds: bool
) -> Iterator[Trace]:
    """The mean with the interval of its difference to base and, behind it, the seeds."""
    x = rounded(cell[cost.column] / cost.scale)
    shared = {"type": "scatter", "mode": "markers", "name": name, "meta": cell["template"], "legendgroup": name}
    seeds = model.seeds.get(cell["template"], [])
    if with_seeds and len(seeds) > 1:
        yield shared | {
            "x": [x] * len(seeds),
            "y": [rounded(seed) for seed in seeds],
            "marker": {"color": look.color, "symbol": "circle", "size": 5, "opacity": 0.5},
            "showlegend": False,
            "hovertemplate": f"{name}, one seed: %{{y:.2f}} %<extra></extra>",
        }
    yield shared | {
        "x": [x],
        "y": [rounded(cell["mean"])],
        "error_y": _bar(cell, look.color),
        "marker": {"color": look.color, "symbol": look.plotly_marker + model.symbol, "size": 13},
        "hovertemplate": f"<b>{model.title}, {cell['template']}</b><br>{_words(cell, cost)}<extra></extra>",
    }


def _bar(cell: Record, color: str) -> Trace:
    """The interval of the difference to base around the mean; a one-sided one has no upper bar."""
    reach = [cell["high"] - cell["difference"], cell["difference"] - cell["low"]]
    up, down = (rounded(value) if np.isfinite(value) else 0 for value in reach)
    return {"array": [up], "arrayminus": [down], "symmetric": False, "color": color, "thickness": 1.2}


def _words(cell: Record, cost: Cost) -> str:
    at = f"{cost.title}: {cell[cost.column] / cost.scale:z.{cost.decimals}f}"
    text = f"{cell['mean']:.2f} % ({counted(cell['done'], 'seed')}), {at}"
    if np.isnan(cell["difference"]):
        return text
    shown = "" if np.isnan(cell["low"]) else f" ({cell['low']:+z.2f} to {cell['high']:+z.2f})"
    return f"{text}; {cell['difference']:+z.2f} points vs base{shown}, {cell['verdict']}"


def _band(cells: pd.DataFrame, margin: float) -> Iterator[Trace]:
    """The margin around base's mean, and a line at base."""
    for base in cells.loc[cells["template"] == BASE, "mean"].dropna():
        across = {"xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
        yield across | {
            "type": "rect",
            "y0": base - margin,
            "y1": base + margin,
            "fillcolor": transparent("#7F7F7F"),
            "line": {"width": 0},
        }
        yield across | {"type": "line", "y0": base, "y1": base, "line": {"color": "#7F7F7F", "width": 1, "dash": "dot"}}
