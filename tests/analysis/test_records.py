"""Rows as plain values."""

import pandas as pd

from analysis.records import records


def test_rows_hold_plain_python_values() -> None:
    frame = pd.DataFrame(
        {"name": ["a", None], "count": [1, 2], "share": [0.5, float("nan")], "filters": [[1, 2], None]}
    )
    first, second = records(frame)
    assert first == {"name": "a", "count": 1, "share": 0.5, "filters": [1, 2]}
    assert [type(value) for value in first.values()] == [str, int, float, list]
    assert second["count"] == 2
    assert second["filters"] is None


def test_an_empty_frame_has_no_rows() -> None:
    assert records(pd.DataFrame({"name": []})) == []
