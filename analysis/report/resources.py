"""Device time by the outcome of attempts: what led to results, and what was lost, by cause."""

from __future__ import annotations

import pandas as pd

from analysis.study import Study
from analysis.tables.numbers import number
from analysis.tables.table import Column, Table, text_column, word
from fdt_core.quantities import counted

_COLUMNS = (
    text_column("Outcome"),
    Column(name="Attempts"),
    Column(name="Training (hours)"),
    Column(name="Share (%)"),
    Column(name="Interruptions"),
)


def resource_tables(study: Study) -> list[Table]:
    """Training time by the outcome of attempts, tuning included; no table before any attempt has ended."""
    spent = pd.concat([_attempts(study), _tuning_attempts(study)]) if len(study.results.tuning) else _attempts(study)
    if spent.empty:
        return []
    total = spent["seconds"].sum()
    groups = spent.groupby("outcome")
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
    return [Table(title="Device time by outcome", columns=_COLUMNS, rows=rows, notes=tuple(_notes(study)))]


def _attempts(study: Study) -> pd.DataFrame:
    """One row per attempt at a trial that was trained here: `outcome`, `seconds` of training, `interruptions`.

    The time of a failed attempt is that of the epochs it finished.
    """
    trained = _trained(study.results.trials, study.results.epochs)
    names = {"done": "results", "diverged": "results: training diverged"}
    return trained.assign(outcome=trained["status"].map(names).fillna(_lost(trained)))


def _tuning_attempts(study: Study) -> pd.DataFrame:
    """The same of tuning. A candidate that goes on from a rung does so as the next attempt, which counts for both."""
    every = _trained(study.results.tuning, study.results.tuning_epochs)
    failed = every["status"] == "failed"
    last = every[~failed].sort_values("attempt", kind="stable").drop_duplicates(["run", "trial_id"], keep="last")
    lost = every[failed]
    return pd.concat([last.assign(outcome="tuning"), lost.assign(outcome=_lost(lost) + ", tuning")])


def _trained(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """The attempts at trials that were trained here, with `seconds` of training."""
    trained = trials[trials["reused_from"].isna()].drop_duplicates(["run", "trial_id", "attempt"])
    attempts = epochs.groupby(["run", "trial_id", "attempt"], as_index=False)
    trained = trained.merge(attempts.agg(epoch_seconds=("seconds", "sum")), how="left")
    return trained.assign(
        seconds=trained["train_seconds"].fillna(trained["epoch_seconds"]).fillna(0.0),
        interruptions=trained["interruptions"].fillna(0),
    )


def _lost(trained: pd.DataFrame) -> pd.Series[str]:
    return "lost: " + trained["failure_kind"].astype("string").fillna("unknown")


def _notes(study: Study) -> list[str]:
    trials = study.results.trials
    done = trials[trials["reused_from"].isna() & (trials["status"] == "done")]
    other = ((done["finished_at"] - done["started_at"]).dt.total_seconds() - done["train_seconds"]).clip(lower=0).sum()
    saved = trials.loc[trials["reused_from"].notna(), "train_seconds"]
    notes = [
        "The time of a lost attempt is that of the epochs it finished. An interruption loses the work since the last "
        "checkpoint.",
        f"In addition to training, finished trials spent {other / 3600:.2f} hours between start and end on evaluation, "
        "checkpoints, and waiting after interruptions.",
    ]
    if len(saved):
        notes.append(
            f"Training reused from other cells: {counted(len(saved), 'trial')}, "
            f"which saved {saved.sum() / 3600:.2f} hours."
        )
    if len(study.results.tuning):
        notes.append(
            "Tuning: the trainings of candidates, stopped ones included. Attempts are trainings there, as a candidate "
            "goes on from a rung in a further attempt."
        )
    return notes
