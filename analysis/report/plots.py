"""The interactive plots, as data for plotly.js. The page applies its colour theme to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.costs import Cost, measured_costs
from analysis.curves import bands, learning_curves
from analysis.figures.style import styles
from analysis.keys import BASE, template_order
from analysis.records import by_template, of_block, records
from analysis.statistics.verdicts import is_separated
from analysis.study import Study

Drawing = dict[str, Any]
"""A plotly figure: `data` and `layout`."""

COSTS = ("params", "macs", "memory", "latency", "training")
SYMBOLS = ("", "-open", "-dot", "-open-dot")
"""Variants of the markers for the first, second, ... model."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot with variants from which the reader can choose.

    Args:
        name: identifies it in the page.
        title: its heading.
        hint: what it shows and how to read it.
        choices: the options of each choice, by its label.
        drawings: a drawing per combination of options, by the options joined with '|'.
    """

    name: str
    title: str
    hint: str
    choices: dict[str, list[str]]
    drawings: dict[str, Drawing]


def plots(study: Study) -> list[Plot]:
    """All plots that the study has data for."""
    made = (_accuracy(study), _differences(study), _learning(study), _filters(study), _times(study))
    return [plot for plot in made if plot.drawings]


def _accuracy(study: Study) -> Plot:
    costs = {cost.title: cost for cost in measured_costs(study.cells, COSTS)}
    choices = {"Data set": study.datasets, "Cost": list(costs)}
    drawings = {
        f"{dataset}|{title}": _scatter(study, dataset, cost)
        for dataset, (title, cost) in itertools.product(study.datasets, costs.items())
        if study.cells.loc[study.cells["dataset"] == dataset, "mean"].notna().any()
    }
    hint = f"Mean of the {study.accuracy} epoch's test accuracy over seeds, with its standard deviation. Star: base."
    return Plot(name="accuracy", title="Accuracy against cost", hint=hint, choices=choices, drawings=drawings)


def _scatter(study: Study, dataset: str, cost: Cost) -> Drawing:
    traces = []
    looks = styles(study.templates)
    for symbol, (title, cells) in zip(itertools.cycle(SYMBOLS), study.blocks(), strict=False):
        known = cells[(cells["dataset"] == dataset)].dropna(subset=["mean", cost.column])
        for template, cell in sorted(by_template(known).items(), key=lambda item: item[0] != BASE):
            look, x = looks[template], cell[cost.column] / cost.scale
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{title}: {template}",
                    "x": [_rounded(x)],
                    "y": [_rounded(cell["mean"])],
                    "error_y": {"array": [_rounded(cell["std"]) or 0], "color": look.color, "thickness": 1.2},
                    "marker": {"color": look.color, "symbol": look.plotly_marker + symbol, "size": 13},
                    "hovertemplate": f"<b>{title}, {template}</b><br>%{{y:.2f}} % ± {cell['std']:.2f} "
                    f"({cell['done']} seeds)<br>{cost.title}: {x:.{cost.decimals}f}<extra></extra>",
                }
            )
    return _drawing(traces, cost.title, "Test accuracy (%)")


def _differences(study: Study) -> Plot:
    differences = study.differences
    drawings = {}
    for title, cells in study.blocks():
        chosen = of_block(differences, cells)
        if chosen["difference"].notna().any():
            drawings[title] = _heatmap(chosen, study.datasets)
    hint = "Points of test accuracy above base. A star marks differences separated from zero."
    return Plot(
        name="differences", title="Differences to base", hint=hint, choices={"Model": list(drawings)}, drawings=drawings
    )


def _heatmap(differences: pd.DataFrame, datasets: list[str]) -> Drawing:
    templates = template_order(differences["template"])[::-1]
    marked = differences.assign(separated=is_separated(differences))
    by_place = {(record["template"], record["dataset"]): record for record in records(marked)}
    cells = [[by_place.get((template, dataset)) for dataset in datasets] for template in templates]
    values = [[_rounded(cell["difference"]) if cell else None for cell in row] for row in cells]
    reach = float(np.nanmax(np.abs(differences["difference"]))) or 1.0
    trace = {
        "type": "heatmap",
        "x": datasets,
        "y": templates,
        "z": values,
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0, "#b35806"], [0.5, "#f7f7f7"], [1, "#542788"]],
        "text": [[_difference_text(cell) for cell in row] for row in cells],
        "texttemplate": "%{text}",
        "customdata": [[_difference_hover(cell) for cell in row] for row in cells],
        "hovertemplate": "<b>%{y}, %{x}</b><br>%{customdata}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
    }
    drawing = _drawing([trace], "", "")
    drawing["layout"]["yaxis"]["type"] = drawing["layout"]["xaxis"]["type"] = "category"
    return drawing


def _difference_text(record: dict[str, Any] | None) -> str:
    if record is None or np.isnan(record["difference"]):
        return ""
    return f"{record['difference']:+z.2f}" + ("*" if record["separated"] else "")


def _difference_hover(record: dict[str, Any] | None) -> str:
    if record is None:
        return "no result"
    if np.isnan(record["low"]):
        return f"{record['verdict']} ({record['pairs']} seeds)"
    return (
        f"95 % interval {record['low']:+z.2f} to {record['high']:+z.2f}<br>{record['verdict']}, "
        f"corrected p {record['p']:.3f} ({record['pairs']} seeds)"
    )


def _learning(study: Study) -> Plot:
    found = bands(learning_curves(study))
    blocks = dict(study.blocks())
    drawings = {}
    for title, cells in blocks.items():
        chosen = of_block(found, cells)
        for dataset in study.datasets:
            of_dataset = chosen[chosen["dataset"] == dataset]
            if len(of_dataset):
                drawings[f"{title}|{dataset}"] = _drawing(
                    list(_bands(of_dataset)), "Epoch", "Test accuracy (%)", counted=of_dataset["epoch"].max()
                )
    return Plot(
        name="learning",
        title="Learning curves",
        hint="Mean over seeds, with a band of one standard deviation on each side. Single curves: see Trials.",
        choices={"Model": list(blocks), "Data set": study.datasets},
        drawings=drawings,
    )


def _bands(curves: pd.DataFrame) -> Iterator[Drawing]:
    """For each template, an unnamed band and a line."""
    looks = styles(curves["template"])
    for template in template_order(curves["template"]):
        curve, look = curves[curves["template"] == template], looks[template]
        epochs, mean, std = curve["epoch"].tolist(), curve["mean"], curve["std"].fillna(0.0)
        outline = [*(mean + std), *(mean - std)[::-1]]
        shared = {"type": "scatter", "mode": "lines", "legendgroup": template}
        yield shared | {
            "x": epochs + epochs[::-1],
            "y": [_rounded(value) for value in outline],
            "fill": "toself",
            "fillcolor": _transparent(look.color),
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        yield shared | {
            "mode": "lines+markers",
            "name": template,
            "x": epochs,
            "y": [_rounded(value) for value in mean],
            "line": {"color": look.color, "dash": look.plotly_dash, "width": 2},
            "marker": {"color": look.color, "symbol": look.plotly_marker, "size": 8, "maxdisplayed": 10},
            "hovertemplate": f"<b>{template}</b>, epoch %{{x}}: %{{y:.2f}} %<extra></extra>",
        }


def _filters(study: Study) -> Plot:
    drawings = {}
    looks = styles(study.templates)
    for title, cells in study.blocks():
        known = by_template(cells.dropna(subset=["widths"]))
        traces = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": template,
                "x": list(range(1, len(known[template]["widths"]) + 1)),
                "y": [int(width) for width in known[template]["widths"]],
                "line": {"color": looks[template].color, "dash": looks[template].plotly_dash, "width": 2},
                "marker": {"color": looks[template].color, "symbol": looks[template].plotly_marker, "size": 8},
                "hovertemplate": f"<b>{template}</b>, layer %{{x}}: %{{y}} filters<extra></extra>",
            }
            for template in template_order(known)
        ]
        layers = max((len(trace["x"]) for trace in traces), default=0)
        drawings[title] = _drawing(traces, "Layer", "Filters", counted=layers)
    hint = "Filters of each layer, shallow to deep."
    return Plot(
        name="filters", title="Filters per layer", hint=hint, choices={"Model": list(drawings)}, drawings=drawings
    )


def _times(study: Study) -> Plot:
    drawings = {}
    looks = styles(study.templates)
    done = study.outcomes[study.outcomes["train_seconds"].notna()]
    for title, cells in study.blocks():
        trials = of_block(done, cells)
        for dataset, of_dataset in trials.groupby("dataset"):
            traces = [
                {
                    "type": "box",
                    "name": template,
                    "y": [
                        _rounded(seconds / 60)
                        for seconds in of_dataset.loc[of_dataset["template"] == template, "train_seconds"]
                    ],
                    "showlegend": False,
                    "boxpoints": "all",
                    "jitter": 0.4,
                    "marker": {"color": looks[template].color, "symbol": looks[template].plotly_marker},
                    "hovertemplate": f"<b>{template}</b>: %{{y:.2f}} minutes<extra></extra>",
                }
                for template in template_order(of_dataset["template"])
            ]
            drawings[f"{title}|{dataset}"] = _drawing(traces, "Template", "Training (minutes)", from_zero=True)
    choices = {"Model": [title for title, _ in study.blocks()], "Data set": study.datasets}
    hint = "Training time of every trial."
    return Plot(name="times", title="Cost per trial", hint=hint, choices=choices, drawings=drawings)


def _drawing(traces: list[Drawing], x: str, y: str, *, from_zero: bool = False, counted: int | None = None) -> Drawing:
    """A drawing with titled axes.

    Args:
        traces: its data.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        from_zero: whether the vertical axis starts at 0.
        counted: the highest number, if the horizontal axis counts something: a short axis would otherwise show halves.
    """
    whole = {"dtick": 1} if counted is not None and counted <= 10 else {}
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": x}, "automargin": True} | whole,
            "yaxis": {"title": {"text": y}, "automargin": True} | ({"rangemode": "tozero"} if from_zero else {}),
            "margin": {"t": 30, "r": 10, "b": 40, "l": 50},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
            "hovermode": "closest",
        },
    }


def _rounded(value: float) -> float | None:
    """`value` with five digits, which is all that a plot can show."""
    return None if pd.isna(value) else float(f"{value:.5g}")


def _transparent(color: str) -> str:
    """A colour such as '#E69F00' at an opacity that lets bands overlap."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"
