"""The forest plot: the interval of every difference to base against the margin, with the seeds behind it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.figures.style import styles
from analysis.keys import template_order
from analysis.records import Record, records
from analysis.report.drawings import Drawing, Plot, Trace, drawing, in_words, rounded, transparent
from analysis.report.points import by_model_and_dataset, cell_points, seed_points, shown_datasets
from analysis.statistics.verdicts import WITHIN_MARGIN
from analysis.study import Study

ALL = "all data sets"
MOST_ROWS = 60
"""The most rows in a plot of all data sets together: more do not fit on a screen."""


def forest_plot(study: Study) -> Plot:
    """A row per template, on each data set, in their mean, and on all of them together if these are not too many."""
    points = cell_points(study).dropna(subset=["difference"])
    cells = by_model_and_dataset(study, points)
    seeds = by_model_and_dataset(study, seed_points(study).dropna(subset=["difference"]))
    datasets = shown_datasets(study)
    together = len(datasets) > 1 and len(datasets) * len(set(points["template"])) <= MOST_ROWS
    options = [*([ALL] if together else []), *datasets]
    drawings = {}
    for title, _ in study.blocks():
        for option in options:
            # The mean comes last, as the sum of what is above it.
            wanted = [*datasets[1:], datasets[0]] if option == ALL else [option]
            shown = {name: cells[title, name] for name in wanted if (title, name) in cells}
            if shown:
                behind = {name: seeds[title, name] for name in shown if (title, name) in seeds}
                drawings[f"{title}|{option}"] = _forest(study, title, shown, behind)
    return Plot(
        name="intervals",
        title="Differences to base",
        hint="Points of test accuracy above base, with 95 % intervals that hold all together; small points: seeds. "
        f"Band: a margin of {study.question.margin:g} points. Filled markers: a loss of more than the margin is ruled "
        "out.",
        choices={"Model": [title for title, _ in study.blocks()], "Data set": options},
        drawings=drawings,
    )


def _forest(study: Study, title: str, cells: dict[str, pd.DataFrame], seeds: dict[str, pd.DataFrame]) -> Drawing:
    looks, margin = styles(study.templates), study.question.margin
    traces: list[Trace] = []
    places: list[tuple[int, str]] = []
    words: list[str] = []
    place = 0
    for dataset, of_dataset in cells.items():
        rows = {record["template"]: record for record in records(of_dataset)}
        behind = {} if dataset not in seeds else dict(list(seeds[dataset].groupby("template")["difference"]))
        for template in template_order(rows):
            label = f"{dataset}: {template}" if len(cells) > 1 else template
            points = [] if template not in behind else behind[template].tolist()
            traces += _traces(
                rows[template], points, place, label, looks[template].color, looks[template].plotly_marker
            )
            places.append((place, label))
            words.append(f"{label}: {_words(rows[template])}")
            place += 1
        place += 1
    drawn = drawing(
        traces, "Points of test accuracy above base", "", f"Differences to base of {title}. {in_words(words)}."
    )
    lines = {"tickvals": [each for each, _ in places], "ticktext": [label for _, label in places]}
    drawn["layout"]["yaxis"] |= lines | {"range": [place - 1, -1], "zeroline": False, "showgrid": False}
    drawn["layout"] |= {"height": 110 + 20 * place, "showlegend": False, "shapes": list(_band(margin))}
    return drawn


def _traces(record: Record, seeds: list[float], place: int, label: str, color: str, marker: str) -> Iterator[Trace]:
    shared = {"type": "scatter", "mode": "markers", "meta": record["template"], "name": label}
    if len(seeds) > 1:
        yield shared | {
            "x": [rounded(seed) for seed in seeds],
            "y": [place] * len(seeds),
            "marker": {"color": color, "symbol": "circle", "size": 5, "opacity": 0.5},
            "hovertemplate": f"{label}, one seed: %{{x:+.2f}}<extra></extra>",
        }
    low, high = record["difference"] - record["low"], record["high"] - record["difference"]
    up, down = (rounded(value) if np.isfinite(value) else 0 for value in (high, low))
    hollow = "" if record["verdict"] in WITHIN_MARGIN else "-open"
    yield shared | {
        "x": [rounded(record["difference"])],
        "y": [place],
        "error_x": {"array": [up], "arrayminus": [down], "symmetric": False, "color": color, "thickness": 1.5},
        "marker": {"color": color, "symbol": marker + hollow, "size": 10},
        "hovertemplate": f"<b>{label}</b><br>{_words(record)}<extra></extra>",
    }


def _words(record: Record) -> str:
    text = f"{record['difference']:+z.2f}"
    if np.isnan(record["low"]):
        return f"{text}, {record['verdict']} ({record['pairs']:.0f} seeds)"
    interval = f"{record['low']:+z.2f} to {record['high']:+z.2f}"
    return f"{text} ({interval}), {record['verdict']}, corrected p {record['p']:.3f} ({record['pairs']:.0f} seeds)"


def _band(margin: float) -> Iterator[Trace]:
    """The margin around zero, and a line at zero."""
    down = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    yield down | {
        "type": "rect",
        "x0": -margin,
        "x1": margin,
        "fillcolor": transparent("#7F7F7F"),
        "line": {"width": 0},
    }
    yield down | {"type": "line", "x0": 0, "x1": 0, "line": {"color": "#7F7F7F", "width": 1}}
