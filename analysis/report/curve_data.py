"""The learning curves of all trials, packed for the page."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.curves import METRICS
from analysis.report.packing import packed
from analysis.study import Study

MOST_POINTS = 400_000
"""Most epochs in the page, over all trials; if there are more, every second, third, ... is shown."""


@dataclass(frozen=True, kw_only=True)
class CurveData:
    """The curves of `Study.outcomes`, row by row.

    Args:
        packed: packed JSON: a list with null or `{epoch: [...], test_accuracy: [...], ...}` per row.
        every: which epochs it contains: 1 = all, 2 = every second one and the last, ...
    """

    packed: str
    every: int


def curve_data(study: Study, most_points: int = MOST_POINTS) -> CurveData:
    """Pack the epochs of the trials that count, at most about `most_points` of them."""
    epochs = study.results.epochs
    every = max(1, math.ceil(len(epochs) / most_points))
    keys = ["run", "trial_id", "attempt"]
    last = epochs.groupby(keys)["epoch"].transform("max")
    kept = epochs[(epochs["epoch"] % every == 0) | (epochs["epoch"] == last)].sort_values("epoch")
    curves = {key: _curve(rows) for key, rows in kept.groupby(keys)}
    found = [curves.get(key) for key in study.outcomes[keys].itertuples(index=False, name=None)]
    return CurveData(packed=packed(json.dumps(found, separators=(",", ":"))), every=every)


def _curve(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of a curve as JSON values, with four digits, which is all that a plot can show."""
    return {"epoch": rows["epoch"].tolist()} | {
        metric: [None if math.isnan(value) else float(f"{value:.4g}") for value in rows[metric]] for metric in METRICS
    }
