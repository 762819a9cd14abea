"""One colour, marker and line per template, the same in every figure and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a template is drawn.

    Args:
        color: from the palette of Okabe and Ito (2008), which the colour-blind can tell apart.
        marker: matplotlib's marker; without colour it tells templates apart.
        plotly_marker: the same marker by plotly's name.
        dash: matplotlib's line style.
    """

    color: str
    marker: str
    plotly_marker: str
    dash: str


_STYLES = {
    "base": Style(color="#000000", marker="*", plotly_marker="star", dash="-"),
    "a": Style(color="#E69F00", marker="o", plotly_marker="circle", dash="--"),
    "b": Style(color="#0072B2", marker="s", plotly_marker="square", dash="-."),
    "c": Style(color="#009E73", marker="v", plotly_marker="triangle-down", dash=":"),
    "d": Style(color="#D55E00", marker="D", plotly_marker="diamond", dash="--"),
    "e": Style(color="#CC79A7", marker="^", plotly_marker="triangle-up", dash="-."),
}
_OTHERS = (
    Style(color="#56B4E9", marker="P", plotly_marker="cross", dash="-"),
    Style(color="#8C6D31", marker="X", plotly_marker="x", dash="--"),
    Style(color="#7F7F7F", marker="p", plotly_marker="pentagon", dash=":"),
    Style(color="#5D3A9B", marker="h", plotly_marker="hexagon", dash="-."),
)


def styles(templates: Sequence[str]) -> dict[str, Style]:
    """The style of each template. A user's own templates take the remaining styles in alphabetical order."""
    others = sorted(set(templates) - set(_STYLES))
    return {**_STYLES, **{name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(others)}}
