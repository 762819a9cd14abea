"""Learning curves: the epochs of the trials that count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.keys import CELL
from analysis.study import Study

METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")

ATTEMPT = ("run", "trial_id", "attempt")
"""The key of one learning curve."""


def learning_curves(study: Study, epochs: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per cell, seed and epoch of every trial with a row; has the columns `METRICS` and `status`.

    `epochs` may be some of the study's epochs, such as those of `thinned`.
    """
    trials = study.outcomes.loc[study.outcomes["status"] != "missing", [*CELL, "seed", "status", "trial_id", "attempt"]]
    every = study.results.epochs if epochs is None else epochs
    curves = trials.merge(every[[*ATTEMPT, "epoch", *METRICS]], on=list(ATTEMPT))
    return curves.sort_values([*CELL, "seed", "epoch"])


def bands(curves: pd.DataFrame, metric: str = "test_accuracy") -> pd.DataFrame:
    """Mean and standard deviation (ddof 1) of a metric over the done seeds of each cell, by epoch."""
    known = curves[(curves["status"] == "done") & curves[metric].notna()]
    return known.groupby([*CELL, "epoch"])[metric].agg(["mean", "std"]).reset_index()


def thinned(curves: pd.DataFrame, key: Sequence[str], most: int) -> tuple[pd.DataFrame, int]:
    """The curves with at most about `most` rows in all, and which epochs these are.

    Args:
        curves: with the columns `key`, which tell one curve from the others, and `epoch`.
        key: see above.
        most: the most rows, but for the last epoch of each curve, which is always kept.

    Returns:
        The rows, and 1 if these are all, 2 for every second epoch and the last, ...
    """
    every = max(1, math.ceil(len(curves) / most))
    if every == 1:
        return curves, 1
    last = curves.groupby(list(key))["epoch"].transform("max")
    return curves[(curves["epoch"] % every == 0) | (curves["epoch"] == last)], every
