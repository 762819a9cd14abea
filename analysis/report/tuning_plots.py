"""The plots of the report's section on tuning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import pandas as pd

from analysis.figures.style import Style, styles
from analysis.keys import BLOCK, template_order
from analysis.records import of_block, records
from analysis.report.drawings import (
    MOST_NAMES,
    Drawing,
    Plot,
    Trace,
    band_trace,
    drawing,
    in_words,
    line_trace,
    plain,
    rounded,
)
from analysis.study import Study
from analysis.tuning.budgets import first_rung_words
from analysis.tuning.candidates import CandidatePoint, Scale, accuracies_of, candidate_points, in_block, scale_of
from analysis.tuning.groups import TunedGroup


def tuning_plots(study: Study) -> list[Plot]:
    """Candidates at the first rung, and what fewer of them would have found; none where nothing is known."""
    return [plot for plot in (_sensitivity(study), _budgets(study)) if plot.drawings]


def _sensitivity(study: Study) -> Plot:
    groups, looks = study.results.tuned, styles(study.templates)
    scale, drawings = scale_of(groups), {}
    for title, cells in study.blocks():
        for dataset in study.datasets:
            found = in_block(groups, cells[BLOCK].iloc[0].tolist(), dataset)
            if any(candidate.accuracy(1) is not None for each in found.values() for candidate in each.candidates):
                drawings[f"{title}|{dataset}"] = _candidates(f"{title}, {dataset}", found, scale, looks)
    hint = "Ring: the chosen candidate. Candidates that diverged or were given up are not shown."
    return Plot(
        name="sensitivity",
        title="Candidates",
        hint=f"Validation accuracy {first_rung_words(groups)}. {hint}" if groups else "",
        choices=_choices(study),
        drawings=drawings,
    )


def _candidates(
    title: str, groups: Mapping[str, TunedGroup], scale: Scale | None, looks: Mapping[str, Style]
) -> Drawing:
    points = {template: candidate_points(group, scale) for template, group in groups.items()}
    traces = chain(*(_points(template, points[template], scale, looks[template]) for template in points))
    words = in_words(
        f"{template}: {_range(of_template)}{_chosen(of_template)}" for template, of_template in points.items()
    )
    alt = f"Validation accuracy of the candidates of {title}. {words}."
    drawn = drawing(list(traces), scale.title if scale else "Template", "Validation accuracy (%)", alt)
    drawn["layout"]["xaxis"] |= {"type": ("log" if scale.log else "linear") if scale else "category"}
    return drawn


def _points(template: str, points: list[CandidatePoint], scale: Scale | None, look: Style) -> Iterator[Trace]:
    known = [point for point in points if point.accuracy is not None]
    x = [point.value if scale else template for point in known]
    y = [rounded(value) for value in accuracies_of(known)]
    line = line_trace(template, look, [], [], labelled=False)
    yield line | {
        "mode": "lines+markers" if scale else "markers",
        "x": x,
        "y": y,
        "marker": {**line["marker"], "maxdisplayed": 0},  # all of them
        "text": [plain(point.name) for point in known],
        "hovertemplate": f"<b>{plain(template)}</b>, %{{text}}: %{{y:.2f}} %<extra></extra>",
    }
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": plain(template),
        "meta": template,
        "legendgroup": template,
        "x": [place for place, point in zip(x, known, strict=True) if point.chosen],
        "y": [place for place, point in zip(y, known, strict=True) if point.chosen],
        "marker": {"color": "#7F7F7F", "symbol": "circle-open", "size": 16, "line": {"width": 1.5}},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _range(points: list[CandidatePoint]) -> str:
    known = [point.accuracy for point in points if point.accuracy is not None]
    return f"{min(known):.2f} to {max(known):.2f} %" if known else "no result"


def _chosen(points: list[CandidatePoint]) -> str:
    return "".join(f", chosen {point.name}" for point in points if point.chosen)


def _budgets(study: Study) -> Plot:
    looks, drawings = styles(study.templates), {}
    for title, cells in study.blocks():
        budgets = of_block(study.budgets, cells)
        for dataset in study.datasets:
            of_dataset = budgets[budgets["dataset"] == dataset]
            if len(of_dataset):
                drawings[f"{title}|{dataset}"] = _expected(f"{title}, {dataset}", of_dataset, looks)
    return Plot(
        name="tuning_budget",
        title="Accuracy by tuning budget",
        hint="Expected best validation accuracy of so many candidates, with bands of 95 % intervals over candidates: "
        "poor near all of them. See the notes of the table.",
        choices=_choices(study),
        drawings=drawings,
    )


def _expected(title: str, budgets: pd.DataFrame, looks: Mapping[str, Style]) -> Drawing:
    templates = template_order(budgets["template"])
    last = budgets[budgets["candidates"] == budgets["candidates"].max()]
    words = in_words(f"{row['template']}: {row['expected']:.2f} % of all candidates" for row in records(last))
    traces = chain(*(_curve(name, budgets, looks[name], labelled=len(templates) > MOST_NAMES) for name in templates))
    alt = f"Expected best validation accuracy by the number of candidates of {title}. {words}."
    highest = int(budgets["candidates"].max())
    return drawing(list(traces), "Candidates", "Expected best validation accuracy (%)", alt, counted=highest)


def _curve(template: str, budgets: pd.DataFrame, look: Style, *, labelled: bool) -> Iterator[Trace]:
    curve = budgets[budgets["template"] == template]
    sizes, expected = curve["candidates"].tolist(), [rounded(value) for value in curve["expected"]]
    yield band_trace(template, look, sizes, curve["low"].tolist(), curve["high"].tolist())
    hover = f"<b>{plain(template)}</b>, best of %{{x}}: %{{y:.2f}} %<extra></extra>"
    yield line_trace(template, look, sizes, expected, labelled=labelled) | {"hovertemplate": hover}


def _choices(study: Study) -> dict[str, list[str]]:
    return {"Model": [title for title, _ in study.blocks()], "Data set": study.datasets}
