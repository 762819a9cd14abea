"""Pareto fronts."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analysis.pareto import on_front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


def beaten(point: tuple[int, int], points: list[tuple[int, int]]) -> bool:
    """The definition: another point is no worse in both and better in one."""
    return any(a >= point[0] and c <= point[1] and (a, c) != point for a, c in points)


@given(POINTS)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    accuracy, cost = (pd.Series([point[axis] for point in points], dtype=float) for axis in (0, 1))
    assert on_front(accuracy, cost).tolist() == [not beaten(point, points) for point in points]


def test_points_without_a_value_are_never_on_the_front() -> None:
    accuracy = pd.Series([90.0, float("nan"), 99.0], index=["a", "b", "c"])
    cost = pd.Series([1.0, 0.1, float("nan")], index=["a", "b", "c"])
    assert on_front(accuracy, cost).to_dict() == {"a": True, "b": False, "c": False}
