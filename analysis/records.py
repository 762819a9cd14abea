"""Rows of frames as plain values."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.keys import BLOCK

Record = dict[str, Any]


def records(frame: pd.DataFrame) -> list[Record]:
    """The rows of a frame, each a mapping from column to value, with plain Python numbers."""
    names = [str(name) for name in frame]
    # Column by column: `frame.to_dict("records")` checks the type of every value and takes three times as long.
    columns = [frame[name].tolist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def by_template(cells: pd.DataFrame) -> dict[str, Record]:
    """The cells of one model on one data set, by template."""
    return {cell["template"]: cell for cell in records(cells)}


def of_block(frame: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of `frame` that belong to the run, model, width and variant of `cells`."""
    return frame.merge(cells[BLOCK].drop_duplicates(), on=BLOCK)
