"""Failed attempts, grouped by what went wrong."""

from __future__ import annotations

import pandas as pd

from analysis.keys import listed
from fdt_core.error_text import failure_signature

MOST_NAMES = 6
"""Models, templates, ... that are named for one signature; of more, the number is told."""


def failed_attempts(trials: pd.DataFrame) -> pd.DataFrame:
    """The failed rows of `Results.trials`, with their `signature`. A retry that succeeded later does not undo them."""
    failed = trials[trials["status"] == "failed"]
    return failed.assign(signature=failed["error"].fillna("").map(failure_signature))


def failures_by_signature(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per kind and signature, the commonest first.

    Columns: `run`, `failure_kind`, `signature`, `attempts`, `models`, `templates`, `datasets`, `hosts` (names, joined),
    `trial_id` of one example and its whole `error`.
    """
    attempts = failed_attempts(trials)
    groups = attempts.groupby(["run", "failure_kind", "signature"], dropna=False)
    named = {
        "models": "model",
        "templates": "template",
        "datasets": "dataset",
        "hosts": "hostname",
    }
    frame = pd.DataFrame(
        {
            "attempts": groups.size(),
            **{name: groups[column].agg(_joined) for name, column in named.items()},
            "trial_id": groups["trial_id"].first(),
            "error": groups["error"].first(),
        }
    )
    return frame.sort_values("attempts", ascending=False, kind="stable").reset_index()


def _joined(names: pd.Series[str]) -> str:
    """The distinct names, shortened where there are many."""
    return listed(sorted(map(str, names.dropna().unique())), MOST_NAMES)
