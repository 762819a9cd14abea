"""Learning curves: the epochs of the trials that count."""

from __future__ import annotations

import pandas as pd

from analysis.keys import CELL
from analysis.study import Study

METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")


def learning_curves(study: Study) -> pd.DataFrame:
    """One row per cell, seed and epoch of every trial with a row; has the columns `METRICS` and `status`."""
    trials = study.outcomes.loc[study.outcomes["status"] != "missing", [*CELL, "seed", "status", "trial_id", "attempt"]]
    epochs = study.results.epochs[["run", "trial_id", "attempt", "epoch", *METRICS]]
    return trials.merge(epochs, on=["run", "trial_id", "attempt"]).sort_values([*CELL, "seed", "epoch"])


def bands(curves: pd.DataFrame, metric: str = "test_accuracy") -> pd.DataFrame:
    """Mean and standard deviation (ddof 1) of a metric over the done seeds of each cell, by epoch."""
    known = curves[(curves["status"] == "done") & curves[metric].notna()]
    return known.groupby([*CELL, "epoch"])[metric].agg(["mean", "std"]).reset_index()
