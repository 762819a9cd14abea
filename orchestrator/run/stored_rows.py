"""Rows of the results as the orchestrator reads and writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import TypedDict

from fdt_core.results.reader import PartReader, read_part, read_table
from orchestrator.trial.outcome import FINISHED, Outcome

Row = Mapping[str, object]
"""A row of any table, by column."""


class TrialRow(TypedDict):
    """The columns of `trials` that say which cell a row belongs to, and how its attempt ended."""

    trial_id: str
    sweep: str
    model: str
    template: str
    dataset: str
    variant: str
    budget_rule: str
    attempt: int
    status: str
    failure_kind: str | None
    error: str | None
    final_test_accuracy: float | None
    epochs_trained: int | None
    rung_accuracies: list[float] | None
    rung_losses: list[float] | None
    dataset_digest: str | None


class EpochRow(TypedDict):
    """The columns of `epochs` that say which epoch a row belongs to."""

    trial_id: str
    attempt: int
    epoch: int


def read_trial_rows(results: Path, part_reader: PartReader = read_part) -> list[TrialRow]:
    """The rows of `trials` in a run's `results` directory, in the order they were written."""
    columns = tuple(TrialRow.__annotations__)
    rows: list[TrialRow] = read_table(results, "trials", columns, part_reader=part_reader).rows.to_pylist()
    return rows


def epochs_in(row: TrialRow) -> float:
    """How many epochs of training a row of `trials` stands for; infinitely many if finished, none if failed."""
    if row["status"] in FINISHED:
        return math.inf
    return row["epochs_trained"] or 0 if row["status"] == Outcome.STOPPED else 0
