"""What the interactive plots are made of: drawings as data for plotly.js, to which the page applies its colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from analysis.figures.style import Style
from analysis.records import Record

Trace = dict[str, Any]
"""A trace of plotly. `meta` names its template, by which the page links plots and tables."""

Shape = dict[str, Any]
"""A shape of plotly, such as a band behind the traces."""

Drawing = dict[str, Any]
"""A plotly figure, `data` and `layout`; and `alt`, the same in words."""

SYMBOLS = ("", "-open", "-dot", "-open-dot")
"""Variants of the markers for the first, second, ... of several models in one plot."""

MOST_NAMES = 20
"""The most names in a legend: a longer one would leave no room for the plot. More names stand at their points."""

INTERVALS = (
    "95 % intervals of the difference to base: those of the data sets hold all together, and so do those of the means; "
    "dotted ones have no upper limit"
)
"""What the bars of plots are."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot with variants from which the reader can choose.

    Args:
        name: identifies it in the page.
        title: its heading.
        hint: what it shows and how to read it.
        choices: the options of each choice, by its label.
        drawings: a drawing per combination of options, by the options joined with '|'; none where nothing is known.
    """

    name: str
    title: str
    hint: str
    choices: dict[str, list[str]]
    drawings: dict[str, Drawing]

    @property
    def start(self) -> list[str]:
        """The options that are chosen at first: those of the first drawing."""
        return next(iter(self.drawings), "").split("|")


def drawing(
    traces: list[Trace], x: str, y: str, alt: str, *, from_zero: bool = False, counted: int | None = None
) -> Drawing:
    """A drawing with titled axes.

    Args:
        traces: its data.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        alt: what it shows, in words.
        from_zero: whether the vertical axis starts at 0.
        counted: the highest number, if the horizontal axis counts something: a short axis would otherwise show halves.
    """
    whole = {"dtick": 1} if counted is not None and counted <= 10 else {}
    names = {trace["name"] for trace in traces if trace.get("showlegend", True)}
    return {
        "alt": alt,
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": x}, "automargin": True} | whole,
            "yaxis": {"title": {"text": y}, "automargin": True} | ({"rangemode": "tozero"} if from_zero else {}),
            "margin": {"t": 30, "r": 10, "b": 40, "l": 50},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
            "showlegend": 1 < len(names) <= MOST_NAMES,
            "hovermode": "closest",
        },
    }


def seed_trace(along: Literal["x", "y"], values: list[float], at: float | None, name: str, color: str) -> Trace:
    """A small point for each seed, `values` along one axis, all `at` the same place of the other."""
    across = "y" if along == "x" else "x"
    return {
        "type": "scatter",
        "mode": "markers",
        along: [rounded(value) for value in values],
        across: [at] * len(values),
        "marker": {"color": color, "symbol": "circle", "size": 5, "opacity": 0.5},
        "showlegend": False,
        "hovertemplate": f"{plain(name)}, one seed: %{{{along}:.2f}}<extra></extra>",
    }


def interval_trace(along: Literal["x", "y"], record: Record, at: float | None, origin: float, look: Style) -> Trace:
    """The interval of a difference, counted from `origin`, as a line with caps; dotted if it has no upper limit."""
    across, cap = ("y", "line-ns-open") if along == "x" else ("x", "line-ew-open")
    one_sided = math.isinf(record["high"])
    ends = [record["low"], record["difference"] if one_sided else record["high"]]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        along: [rounded(origin + end) for end in ends],
        across: [at, at],
        "line": {"color": look.color, "width": 1.3, "dash": "dot" if one_sided else "solid"},
        "marker": {"color": look.color, "symbol": cap, "size": [8, 0 if one_sided else 8], "line": {"width": 1.3}},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def line_trace(template: str, look: Style, x: Sequence[float], y: Sequence[float | None], *, labelled: bool) -> Trace:
    """A line of one template; with `labelled`, its name stands at its end."""
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(template),
        "meta": template,
        "legendgroup": template,
        "x": list(x),
        "y": list(y),
        "line": {"color": look.color, "dash": look.plotly_dash, "width": 2},
        "marker": {"color": look.color, "symbol": look.plotly_marker, "size": 8, "maxdisplayed": 10},
    }
    return line | labels([""] * (len(x) - 1) + [template]) | {"mode": "lines+markers+text"} if labelled else line


def band_trace(template: str, look: Style, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Trace:
    """An unnamed band around the line of a template."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(template),
        "meta": template,
        "legendgroup": template,
        "x": [*x, *reversed(x)],
        "y": [rounded(value) for value in (*high, *reversed(low))],
        "fill": "toself",
        "fillcolor": transparent(look.color),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def margin_shapes(along: Literal["x", "y"], origin: float, margin: float, dash: str) -> Iterator[Shape]:
    """A band of the margin around `origin`, and a line at it."""
    across = "y" if along == "x" else "x"
    shared = {f"{across}ref": "paper", f"{across}0": 0, f"{across}1": 1, "layer": "below"}
    yield shared | {
        "type": "rect",
        f"{along}0": origin - margin,
        f"{along}1": origin + margin,
        "fillcolor": transparent("#7F7F7F"),
        "line": {"width": 0},
    }
    yield shared | {
        "type": "line",
        f"{along}0": origin,
        f"{along}1": origin,
        "line": {"color": "#7F7F7F", "width": 1, "dash": dash},
    }


def labels(names: list[str]) -> Trace:
    """What a trace needs to show these names at its points, where a legend would be too long."""
    return {"text": [plain(name) for name in names], "textposition": "top center", "textfont": {"size": 9}}


def plain(name: str) -> str:
    """A name as plotly shows it unchanged: it would take `<` for markup and `%{` for a variable."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")


def interval_words(record: Record) -> str:
    """The interval of a difference, such as '-0.30 to +0.52' or 'at least -0.30'; empty if there is none."""
    if math.isnan(record["low"]):
        return ""
    if math.isinf(record["high"]):
        return f"at least {record['low']:+z.2f}"
    return f"{record['low']:+z.2f} to {record['high']:+z.2f}"


def in_words(items: Iterable[str], most: int = 30) -> str:
    """The items as part of a sentence; of many, the number of the rest."""
    every = list(items)
    more = f"; and {len(every) - most} more" if len(every) > most else ""
    return "; ".join(every[:most]) + more


def rounded(value: float) -> float | None:
    """`value` with five digits, which is all that a plot can show."""
    return None if pd.isna(value) else float(f"{value:.5g}")


def transparent(color: str, opacity: float = 0.15) -> str:
    """A colour such as '#E69F00' at an opacity that lets areas overlap."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
