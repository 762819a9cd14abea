"""Accuracy against cost, with intervals and the margin: the plot of the first screen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from analysis.costs import SHOWN, Cost, measured_costs
from analysis.figures.style import Style, styles
from analysis.keys import template_order
from analysis.records import Record, by_template
from analysis.report.drawings import (
    INTERVALS,
    MOST_NAMES,
    SYMBOLS,
    Drawing,
    Plot,
    Trace,
    drawing,
    in_words,
    interval_trace,
    interval_words,
    labels,
    margin_shapes,
    plain,
    rounded,
    seed_trace,
)
from analysis.report.points import by_model_and_dataset, cell_points, seed_points, shown_datasets
from analysis.study import Study
from fdt_core.quantities import counted, points
from fdt_core.results.keys import BASE

ALL = "all models"


@dataclass(frozen=True, kw_only=True)
class ModelPoints:
    """The points of one model on one data set.

    Args:
        title: the model's.
        cells: as `cell_points`.
        seeds: the accuracies of the seeds of each template.
    """

    title: str
    cells: pd.DataFrame
    seeds: dict[str, list[float]]

    @cached_property
    def base(self) -> float | None:
        """The mean accuracy of base, if it is known."""
        known = self.cells.loc[self.cells["template"] == BASE, "mean"].dropna()
        return float(known.iloc[0]) if len(known) else None


def accuracy_plot(study: Study) -> Plot:
    """Accuracy against each cost, for each model and for all together, on each data set and in their mean."""
    titles = [title for title, _ in study.blocks()]
    models = {title: [title] for title in titles} | ({ALL: titles} if len(titles) > 1 else {})
    datasets = shown_datasets(study)
    costs = {cost.title: cost for cost in measured_costs(study.cells, SHOWN)}
    found = _model_points(study)
    drawings = {}
    for (model, shown), dataset, (label, cost) in itertools.product(models.items(), datasets, costs.items()):
        chosen = [found[title, dataset] for title in shown if (title, dataset) in found]
        if any(len(each.cells.dropna(subset=["mean", cost.column])) for each in chosen):
            drawings[f"{model}|{dataset}|{label}"] = _scatter(study, chosen, dataset, cost)
    hint = (
        f"Test accuracy of the {study.accuracy} epoch. Large markers: means over seeds; small ones: seeds. Star: base; "
        f"band: {points(study.question.margin)} around it. Bars: {INTERVALS}."
    )
    choices = {"Model": list(models), "Data set": datasets, "Cost": list(costs)}
    return Plot(name="accuracy", title="Accuracy against cost", hint=hint, choices=choices, drawings=drawings)


def _model_points(study: Study) -> dict[tuple[str, str], ModelPoints]:
    cells = by_model_and_dataset(study, cell_points(study))
    seeds = by_model_and_dataset(study, seed_points(study))
    return {
        (title, dataset): ModelPoints(
            title=title, cells=of_dataset, seeds=_by_template(seeds.get((title, dataset), pd.DataFrame()))
        )
        for (title, dataset), of_dataset in cells.items()
    }


def _by_template(seeds: pd.DataFrame) -> dict[str, list[float]]:
    if seeds.empty:
        return {}
    return {str(template): rows["accuracy"].tolist() for template, rows in seeds.groupby("template")}


def _scatter(study: Study, models: Sequence[ModelPoints], dataset: str, cost: Cost) -> Drawing:
    alone = len(models) == 1
    looks = styles(study.templates)
    traces: list[Trace] = []
    words: list[str] = []
    for model, symbol in zip(models, itertools.cycle(SYMBOLS), strict=False):
        cells = by_template(model.cells.dropna(subset=["mean", cost.column]))
        for template in template_order(cells):
            cell = cells[template]
            name = template if alone else f"{model.title}: {template}"
            shared = {"name": plain(name), "meta": template, "legendgroup": name}
            for trace in _traces(cell, model, looks[template], cost, symbol, with_seeds=alone):
                traces.append(trace | shared)
            words.append(f"{name}: {_words(cell, cost)}")
    names = [trace for trace in traces if trace.get("showlegend", True)]
    if len(names) > MOST_NAMES:
        for trace in names:
            trace |= labels([trace["meta"]]) | {"mode": "markers+text"}
    where = f"{', '.join(model.title for model in models)}, {dataset}"
    alt = f"Test accuracy against {cost.title} of {where}. {in_words(words)}."
    drawn = drawing(traces, cost.title, "Test accuracy (%)", alt)
    if alone and models[0].base is not None:
        drawn["layout"]["shapes"] = list(margin_shapes("y", models[0].base, study.question.margin, "dot"))
    return drawn


def _traces(
    cell: Record, model: ModelPoints, look: Style, cost: Cost, symbol: str, *, with_seeds: bool
) -> Iterator[Trace]:
    """The mean; before it, so that it lies on top, the seeds and the interval of the difference to base.

    The interval is counted from base's mean. It is off the template's own mean where the two lack different seeds.
    """
    x, template = rounded(cell[cost.column] / cost.scale), cell["template"]
    seeds = model.seeds.get(template, [])
    if with_seeds and len(seeds) > 1:
        yield seed_trace("y", seeds, x, template, look.color)
    if not math.isnan(cell["low"]) and model.base is not None:
        yield interval_trace("y", cell, x, model.base, look)
    yield {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [rounded(cell["mean"])],
        "marker": {"color": look.color, "symbol": look.plotly_marker + symbol, "size": 13},
        "hovertemplate": f"<b>{plain(f'{model.title}, {template}')}</b><br>{_words(cell, cost)}<extra></extra>",
    }


def _words(cell: Record, cost: Cost) -> str:
    at = f"{cost.title}: {cell[cost.column] / cost.scale:z.{cost.decimals}f}"
    text = f"{cell['mean']:.2f} % ({counted(int(cell['done']), 'seed')}), {at}"
    if math.isnan(cell["difference"]):
        return text
    interval = interval_words(cell)
    shown = f" ({interval})" if interval else ""
    return f"{text}; {cell['difference']:+z.2f} points vs base{shown}, {cell['verdict']}"
