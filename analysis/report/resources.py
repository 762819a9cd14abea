"""Device time: what it went into, and what was lost, by cause."""

from __future__ import annotations

import pandas as pd

from analysis.study import Study
from analysis.tables.numbers import number
from analysis.tables.table import Column, Table, text_column, word

_COLUMNS = (
    text_column("Went into"),
    Column(name="Attempts"),
    Column(name="Training (hours)"),
    Column(name="Share (%)"),
    Column(name="Interruptions"),
)


def resource_tables(study: Study) -> list[Table]:
    """Training time by how the attempts ended; no table before any has."""
    spent = _attempts(study)
    if spent.empty:
        return []
    total = spent["seconds"].sum()
    groups = spent.groupby("went_into")
    summed = pd.DataFrame(
        {"attempts": groups.size(), "seconds": groups["seconds"].sum(), "interruptions": groups["interruptions"].sum()}
    ).sort_values("seconds", ascending=False)
    rows = tuple(
        (
            word(str(cause)),
            number(attempts),
            number(seconds / 3600, 2),
            number(100 * seconds / total if total else 0.0, 1),
            number(interruptions),
        )
        for cause, attempts, seconds, interruptions in summed.itertuples()
    )
    return [Table(title="Device time by what it went into", columns=_COLUMNS, rows=rows, notes=tuple(_notes(study)))]


def _attempts(study: Study) -> pd.DataFrame:
    """One row per attempt of a trial that was trained here: `went_into`, `seconds` of training, `interruptions`.

    A failed attempt's time is that of the epochs it finished.
    """
    trials = study.results.trials
    trained = trials[trials["reused_from"].isna()].drop_duplicates(["run", "trial_id", "attempt"])
    attempts = study.results.epochs.groupby(["run", "trial_id", "attempt"], as_index=False)
    trained = trained.merge(attempts.agg(epoch_seconds=("seconds", "sum")), how="left")
    lost = "lost: " + trained["failure_kind"].astype("string").fillna("unknown")
    names = {"done": "results", "diverged": "results: training that diverged"}
    return trained.assign(
        went_into=trained["status"].map(names).fillna(lost),
        seconds=trained["train_seconds"].fillna(trained["epoch_seconds"]).fillna(0.0),
        interruptions=trained["interruptions"].fillna(0),
    )


def _notes(study: Study) -> list[str]:
    trials = study.results.trials
    done = trials[trials["reused_from"].isna() & (trials["status"] == "done")]
    other = ((done["finished_at"] - done["started_at"]).dt.total_seconds() - done["train_seconds"]).clip(lower=0).sum()
    saved = trials.loc[trials["reused_from"].notna(), "train_seconds"]
    notes = [
        "Lost attempts count the epochs they finished. An interruption costs what came after the last checkpoint.",
        f"Beside their training, finished trials took {other / 3600:.2f} hours from start to end for evaluation, "
        "checkpoints, and waiting after interruptions.",
    ]
    if len(saved):
        notes.append(
            f"{len(saved)} cells reuse the training of another cell, which saved {saved.sum() / 3600:.2f} hours."
        )
    return notes
