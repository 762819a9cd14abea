"""One colour, marker and line style per template, the same in every figure and in the report."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a template is drawn.

    Args:
        color: mostly from the palette of Okabe and Ito (2008), which colour-blind readers can tell apart.
        marker: matplotlib's name of the marker, which tells templates apart without colour.
        plotly_marker: plotly's name of the same marker.
        dash: matplotlib's name of the line style.
        plotly_dash: plotly's name of the same line style.
    """

    color: str
    marker: str
    plotly_marker: str
    dash: str
    plotly_dash: str


_SOLID, _DASHED, _DOTTED, _DASH_DOT = (("-", "solid"), ("--", "dash"), (":", "dot"), ("-.", "dashdot"))


def _style(color: str, marker: str, plotly_marker: str, dash: tuple[str, str]) -> Style:
    return Style(color=color, marker=marker, plotly_marker=plotly_marker, dash=dash[0], plotly_dash=dash[1])


BASE_COLOR = "#000000"
"""Black; the report shows it as white on a dark page."""

_STYLES = {
    "base": _style(BASE_COLOR, "*", "star", _SOLID),
    "a": _style("#E69F00", "o", "circle", _DASHED),
    "b": _style("#0072B2", "s", "square", _DASH_DOT),
    "c": _style("#009E73", "v", "triangle-down", _DOTTED),
    "d": _style("#D55E00", "D", "diamond", _DASHED),
    "e": _style("#CC79A7", "^", "triangle-up", _DASH_DOT),
}
_OTHER_COLORS = ("#56B4E9", "#8C6D31", "#7F7F7F", "#7E5FC2", "#D1495B", "#2A8C82", "#C51B7D")
_OTHER_MARKERS = (
    ("P", "cross"), ("X", "x"), ("p", "pentagon"), ("h", "hexagon"), ("8", "octagon"), ("<", "triangle-left"),
    (">", "triangle-right"), ("d", "diamond-tall"), ("H", "hexagon2"),
)  # fmt: skip
_DASHES = (_SOLID, _DASHED, _DOTTED, _DASH_DOT)


def styles(templates: Iterable[str]) -> dict[str, Style]:
    """The style of each template. Custom templates take further styles in alphabetical order.

    The first 63 of them differ in colour and marker together, and the first 7 in colour alone.
    """
    others = sorted(set(templates) - set(_STYLES))
    return {**_STYLES, **{name: _other(number) for number, name in enumerate(others)}}


def _other(number: int) -> Style:
    # The numbers of colours and markers have no common factor: no pair comes twice before every pair came once.
    marker, plotly_marker = _OTHER_MARKERS[number % len(_OTHER_MARKERS)]
    return _style(_OTHER_COLORS[number % len(_OTHER_COLORS)], marker, plotly_marker, _DASHES[number % len(_DASHES)])


_LOOK: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # fonts that can be searched and edited
    "svg.hashsalt": "fdt-sweep",  # the same figure is always the same file
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate `draw` to use the common look, independent of the user's matplotlib settings."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with common_look():
            return draw(*args, **kwargs)

    return drawn


def common_look() -> AbstractContextManager[None]:
    """A context in which to draw and save figures independent of the user's matplotlib settings."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **_LOOK})


Fill = Literal["full", "none", "left", "top", "right", "bottom"]

FILLS: tuple[Fill, ...] = ("full", "none", "left", "top", "right", "bottom")
"""The fill of the markers of the first, second, ... model."""


def fills(models: Iterable[str]) -> dict[str, Fill]:
    """The fill of each model's markers."""
    return dict(zip(models, itertools.cycle(FILLS), strict=False))


LEAST_INCHES = 4.6
"""Width of the narrowest figure."""


def panels(
    rows: int, columns: int, size: tuple[float, float], **kwargs: Any
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """A figure with panels of `size` inches (a single column is wider) and room for a legend below."""
    width = max(size[0] * columns + 0.5, LEAST_INCHES)
    figure = Figure(figsize=(width, size[1] * rows + 0.6), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def legend_below(figure: Figure, fills: Mapping[str, Fill] | None = None) -> None:
    """Add one legend for all panels, with every name once, in order of first appearance.

    Args:
        figure: the figure.
        fills: for each model, the fill of its markers; models follow the templates.
    """
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    for model, fill in (fills or {}).items():
        handles[model] = Line2D([], [], linestyle="none", marker="o", markersize=7, color="0.5", fillstyle=fill)
    if handles:
        columns = max(1, int(figure.get_figwidth() / _legend_entry_inches(handles)))
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=min(len(handles), columns)
        )


def _legend_entry_inches(labels: Iterable[str]) -> float:
    """The approximate width of a legend entry: the handle with its gaps, and the longest label."""
    return 0.45 + 0.055 * max(map(len, labels))
