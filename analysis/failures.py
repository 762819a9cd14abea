"""Failed attempts, grouped by error."""

from __future__ import annotations

import pandas as pd

from fdt_core.error_text import failure_signature
from fdt_core.quantities import listed

MOST_NAMES = 6
"""Most models, templates, ... to name for one signature; of the rest, only the number is shown."""


def failed_attempts(trials: pd.DataFrame) -> pd.DataFrame:
    """The failed rows of `Results.trials`, with their `signature`. They count even if a later retry succeeded."""
    failed = trials[trials["status"] == "failed"]
    return failed.assign(signature=failed["error"].fillna("").map(failure_signature))


def failures_by_signature(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per kind and signature, the most frequent first.

    Columns: `run`, `failure_kind`, `signature`, `attempts`; `models`, `variants`, `templates`, `datasets`, `hosts`
    (names, joined); and the `trial_id` and whole `error` of one example.
    """
    attempts = failed_attempts(trials)
    groups = attempts.groupby(["run", "failure_kind", "signature"], dropna=False)
    named = {
        "models": "model",
        "variants": "variant",
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
    """The distinct names, shortened if there are many."""
    return listed(sorted(map(str, names.dropna().unique())), MOST_NAMES)
