"""What the interactive plots are made of: drawings as data for plotly.js, to which the page applies its colours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

Trace = dict[str, Any]
"""A trace of plotly. `meta` names its template, by which the page links plots and tables."""

Drawing = dict[str, Any]
"""A plotly figure, `data` and `layout`; and `alt`, the same in words."""

SYMBOLS = ("", "-open", "-dot", "-open-dot")
"""Variants of the markers for the first, second, ... model."""

MOST_NAMES = 20
"""The most names in a legend: a longer one would leave no room for the plot. Hovering shows the others."""


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
    names = {trace["name"] for trace in traces if trace.get("showlegend", True) and "name" in trace}
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


def in_words(items: Iterable[str], most: int = 30) -> str:
    """The items as one sentence part; the rest of many as their number."""
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
