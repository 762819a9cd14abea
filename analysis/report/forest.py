"""The forest plot: the interval of every difference to base against the margin, with the seeds behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from analysis.figures.style import Style, styles
from analysis.keys import template_order
from analysis.records import Record, by_template
from analysis.report.drawings import (
    INTERVALS,
    Drawing,
    Plot,
    Trace,
    drawing,
    in_words,
    interval_trace,
    interval_words,
    margin_shapes,
    plain,
    rounded,
    seed_trace,
)
from analysis.report.points import by_model_and_dataset, cell_points, seed_points, shown_datasets
from analysis.statistics.verdicts import WITHIN_MARGIN
from analysis.study import Study
from analysis.tables.numbers import p_text
from fdt_core.quantities import counted, points

ALL = "all data sets"
MOST_ROWS = 60
"""The most rows in a plot of all data sets together: more do not fit on a screen."""


def forest_plot(study: Study) -> Plot:
    """A row per template, on each data set, in their mean, and on all of them together if these are not too many."""
    compared = cell_points(study).dropna(subset=["difference"])
    cells = by_model_and_dataset(study, compared)
    seeds = by_model_and_dataset(study, seed_points(study).dropna(subset=["difference"]))
    datasets = shown_datasets(study)
    together = len(datasets) > 1 and len(datasets) * compared["template"].nunique() <= MOST_ROWS
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
    hint = (
        f"Points of test accuracy above base. Bars: {INTERVALS}. Small points: seeds. Band: a margin of "
        f"{points(study.question.margin)}. Filled markers: a loss of more than the margin is ruled out."
    )
    choices = {"Model": [title for title, _ in study.blocks()], "Data set": options}
    return Plot(name="intervals", title="Differences to base", hint=hint, choices=choices, drawings=drawings)


def _forest(study: Study, title: str, cells: dict[str, pd.DataFrame], seeds: dict[str, pd.DataFrame]) -> Drawing:
    looks = styles(study.templates)
    traces: list[Trace] = []
    ticks: dict[int, str] = {}
    words: list[str] = []
    place = 0
    for dataset, of_dataset in cells.items():
        rows = by_template(of_dataset)
        behind = dict(list(seeds[dataset].groupby("template")["difference"])) if dataset in seeds else {}
        for template in template_order(rows):
            label = f"{dataset}: {template}" if len(cells) > 1 else template
            differences = behind[template].tolist() if template in behind else []
            shared = {"name": plain(label), "meta": template}
            traces += [trace | shared for trace in _traces(rows[template], differences, place, label, looks[template])]
            ticks[place] = plain(label)
            words.append(f"{label}: {_words(rows[template])}")
            place += 1
        place += 1
    alt = f"Differences to base of {title}. {in_words(words)}."
    drawn = drawing(traces, "Points of test accuracy above base", "", alt)
    lines = {"tickvals": list(ticks), "ticktext": list(ticks.values())}
    drawn["layout"]["yaxis"] |= lines | {"range": [place - 1, -1], "zeroline": False, "showgrid": False}
    shapes = list(margin_shapes("x", 0.0, study.question.margin, "solid"))
    drawn["layout"] |= {"height": 110 + 20 * place, "showlegend": False, "shapes": shapes}
    return drawn


def _traces(record: Record, seeds: list[float], place: int, label: str, look: Style) -> Iterator[Trace]:
    if len(seeds) > 1:
        yield seed_trace("x", seeds, place, label, look.color)
    if not math.isnan(record["low"]):
        yield interval_trace("x", record, place, 0.0, look)
    hollow = "" if record["verdict"] in WITHIN_MARGIN else "-open"
    yield {
        "type": "scatter",
        "mode": "markers",
        "x": [rounded(record["difference"])],
        "y": [place],
        "marker": {"color": look.color, "symbol": look.plotly_marker + hollow, "size": 10},
        "hovertemplate": f"<b>{plain(label)}</b><br>{plain(_words(record))}<extra></extra>",
    }


def _words(record: Record) -> str:
    text, seeds = f"{record['difference']:+z.2f}", counted(int(record["pairs"]), "seed")
    interval = interval_words(record)
    if not interval:
        return f"{text}, {record['verdict']} ({seeds})"
    return f"{text} ({interval}), {record['verdict']}, corrected p {p_text(record['p'])} ({seeds})"
