"""Rows of frames as plain values."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd

Record = dict[str, Any]


def records(frame: pd.DataFrame) -> list[Record]:
    """The rows of a frame, each a mapping from column to value."""
    return cast("list[Record]", frame.to_dict("records"))


def by_template(cells: pd.DataFrame) -> dict[str, Record]:
    """Cells of one model on one data set, by template."""
    return {cell["template"]: cell for cell in records(cells)}
