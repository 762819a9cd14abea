"""The interactive plots of the report, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from analysis.curves import ATTEMPT, bands, learning_curves, thinned
from analysis.figures.style import Style, styles
from analysis.keys import dataset_order, template_order
from analysis.records import by_template, of_block
from analysis.report.drawings import (
    MOST_NAMES,
    Plot,
    Trace,
    band_trace,
    drawing,
    in_words,
    line_trace,
    plain,
    rounded,
)
from analysis.report.forest import forest_plot
from analysis.report.scatter import accuracy_plot
from analysis.study import Study

LEAST_IN_BOX = 5
"""The fewest trials whose quartiles are drawn as a box: quartiles of fewer say less than the points themselves."""

MOST_MEANS = 60_000
"""The most points of all mean learning curves: more would make the page large."""


def plots(study: Study) -> list[Plot]:
    """All plots that the study has data for."""
    made = (accuracy_plot(study), forest_plot(study), _learning(study), _filters(study), _times(study))
    return [plot for plot in made if plot.drawings]


def _learning(study: Study) -> Plot:
    most = max(1, MOST_MEANS * len(study.outcomes) // max(1, len(study.cells)))
    epochs, every = thinned(study.results.epochs, ATTEMPT, most)
    found, looks = bands(learning_curves(study, epochs)), styles(study.templates)
    blocks = dict(study.blocks())
    drawings = {}
    for title, cells in blocks.items():
        chosen = of_block(found, cells)
        for dataset in study.datasets:
            of_dataset = chosen[chosen["dataset"] == dataset]
            if len(of_dataset):
                drawings[f"{title}|{dataset}"] = drawing(
                    list(_bands(of_dataset, looks)),
                    "Epoch",
                    "Test accuracy (%)",
                    f"Learning curves of {title}, {dataset}. {_last_epochs(of_dataset)}.",
                    counted=of_dataset["epoch"].max(),
                )
    return Plot(
        name="learning",
        title="Learning curves",
        hint="Mean over seeds, with a band of one standard deviation on each side. Single curves: see Trials."
        + (f" One epoch in {every}, and the last." if every > 1 else ""),
        choices={"Model": list(blocks), "Data set": study.datasets},
        drawings=drawings,
    )


def _last_epochs(curves: pd.DataFrame) -> str:
    last = by_template(curves.sort_values("epoch").drop_duplicates("template", keep="last"))
    return in_words(
        f"{name}: {last[name]['mean']:.2f} % in epoch {last[name]['epoch']}" for name in template_order(last)
    )


def _bands(curves: pd.DataFrame, looks: Mapping[str, Style]) -> Iterator[Trace]:
    """For each template, an unnamed band and a line."""
    templates = template_order(curves["template"])
    for template in templates:
        curve, look = curves[curves["template"] == template], looks[template]
        epochs, mean, std = curve["epoch"].tolist(), curve["mean"], curve["std"].fillna(0.0)
        yield band_trace(template, look, epochs, (mean - std).tolist(), (mean + std).tolist())
        line = line_trace(
            template, look, epochs, [rounded(value) for value in mean], labelled=len(templates) > MOST_NAMES
        )
        yield line | {"hovertemplate": f"<b>{plain(template)}</b>, epoch %{{x}}: %{{y:.2f}} %<extra></extra>"}


def _filters(study: Study) -> Plot:
    drawings = {}
    looks = styles(study.templates)
    for title, cells in study.blocks():
        dataset = dataset_order(cells["dataset"])[0]
        known = by_template(cells[cells["dataset"] == dataset].dropna(subset=["widths"]))
        widths = {name: [int(width) for width in known[name]["widths"]] for name in template_order(known)}
        traces = [
            line_trace(
                name, looks[name], list(range(1, len(of_layer) + 1)), of_layer, labelled=len(widths) > MOST_NAMES
            )
            | {"hovertemplate": f"<b>{plain(name)}</b>, layer %{{x}}: %{{y}} filters<extra></extra>"}
            for name, of_layer in widths.items()
        ]
        layers = max(map(len, widths.values()), default=0)
        words = in_words(f"{name}: {', '.join(map(str, of_layer))}" for name, of_layer in widths.items())
        alt = f"Filters of each layer of {title}, {dataset}, shallow to deep. {words}."
        drawings[title] = drawing(traces, "Layer", "Filters", alt, counted=layers)
    hint = "Filters of each layer, shallow to deep" + (", for the first data set." if len(study.datasets) > 1 else ".")
    return Plot(
        name="filters", title="Filters per layer", hint=hint, choices={"Model": list(drawings)}, drawings=drawings
    )


def _times(study: Study) -> Plot:
    drawings = {}
    looks = styles(study.templates)
    timed = study.outcomes[study.outcomes["train_seconds"].notna()]
    for title, cells in study.blocks():
        for dataset, trials in of_block(timed, cells).groupby("dataset"):
            minutes = {str(name): (rows["train_seconds"] / 60).tolist() for name, rows in trials.groupby("template")}
            boxes = min(map(len, minutes.values())) >= LEAST_IN_BOX
            traces = [
                (_box if boxes else _points)(minutes[template])
                | {
                    "name": plain(template),
                    "meta": template,
                    "showlegend": False,
                    "marker": {"color": looks[template].color, "symbol": looks[template].plotly_marker},
                    "hovertemplate": f"<b>{plain(template)}</b>: %{{y:.2f}} minutes<extra></extra>",
                }
                for template in template_order(minutes)
            ]
            words = in_words(
                f"{name}: {min(minutes[name]):.2f} to {max(minutes[name]):.2f} minutes"
                for name in template_order(minutes)
            )
            alt = f"Training time of every trial of {title}, {dataset}. {words}."
            drawn = drawing(traces, "Template", "Training (minutes)", alt, from_zero=True)
            drawn["layout"]["xaxis"]["type"] = "category"  # templates may be named 16, 32, ...
            drawings[f"{title}|{dataset}"] = drawn
    choices = {"Model": [title for title, _ in study.blocks()], "Data set": study.datasets}
    hint = f"Training time of every trial. Boxes (quartiles) are drawn from {LEAST_IN_BOX} trials on."
    return Plot(name="times", title="Cost per trial", hint=hint, choices=choices, drawings=drawings)


def _points(minutes: list[float]) -> Trace:
    """A point per trial: a box plot without its box, so that both forms place their points alike."""
    invisible = "rgba(0,0,0,0)"
    return _box(minutes) | {"fillcolor": invisible, "line": {"color": invisible}, "hoveron": "points"}


def _box(minutes: list[float]) -> Trace:
    return {"type": "box", "y": [rounded(value) for value in minutes], "boxpoints": "all", "jitter": 0.4, "pointpos": 0}
