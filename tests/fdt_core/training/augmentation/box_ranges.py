"""Ranges of the size and shape of random boxes, as strategies for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st


def shares() -> st.SearchStrategy[tuple[float, float]]:
    """Two shares of an image's area, the smaller one first."""
    return _ascending(st.floats(1e-3, 1.0))


def ratios() -> st.SearchStrategy[tuple[float, float]]:
    """Two shapes (width / height), the smaller one first."""
    return _ascending(st.floats(0.1, 10.0))


def _ascending(values: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(values, values).map(lambda pair: (min(pair), max(pair)))
