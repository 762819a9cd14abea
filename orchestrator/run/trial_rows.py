"""Rows of `trials` as the orchestrator reads them."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from fdt_core.results.reader import read_table


class TrialRow(TypedDict):
    """The columns of `trials` that say which cell a row belongs to, and how its attempt ended."""

    trial_id: str
    sweep: str
    model: str
    template: str
    dataset: str
    budget_rule: str
    attempt: int
    status: str
    failure_kind: str | None
    error: str | None
    dataset_digest: str | None


def read_trial_rows(results: Path) -> list[TrialRow]:
    """The rows of `trials` in a run's `results` directory, in the order they were written."""
    rows: list[TrialRow] = read_table(results, "trials", tuple(TrialRow.__annotations__)).rows.to_pylist()
    return rows
