"""The ledger: which trials are done according to the Parquet rows, and hence which are left to run.

A launch, a relaunch, a retry, an extension and a recovery are all the same: the plan minus the ledger. Rows with the
same `trial_id` count together, regardless of the label that the plan had for the trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from fdt_core.errors import EnvironmentProblem
from fdt_core.results.keys import cell_key
from fdt_core.results.reader import PartReader, read_part
from fdt_core.results.tuning import Score
from fdt_core.results.tuning.courses import scores_of
from fdt_core.trial.attempts import given_up
from orchestrator.plan.cells import Cell
from orchestrator.run.run_directory import RunDirectory
from orchestrator.run.stored_rows import TrialRow, epochs_in, read_trial_rows
from orchestrator.trial.outcome import FINISHED, Outcome

CellKey = tuple[str, ...]

_NO_FAILURES: Mapping[int, str] = MappingProxyType({})
"""One for all records: a run may have 100,000, and the driver keeps them to its end."""


class TrialState(StrEnum):
    """Where a trial stands. The rows decide all but `RUNNING`, which only the driver's backlog knows."""

    WAITING = "waiting"
    """It has not run yet, or waits for a retry."""
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"
    FAILED = "failed"
    """It was given up."""
    SPARED = "spared"
    """No look, or no winner of the tuning, has asked for it so far. Only the backlog knows."""
    STOPPED = "stopped"
    """It is a candidate of the tuning that goes no further, as far as is known. Only the backlog knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """What the rows say about one trial.

    Args:
        result: DONE or DIVERGED; None if the trial has no result.
        accuracy: test accuracy after the last epoch, in per cent; None without a result, or if training diverged.
        dataset_digest: the data that the result comes from.
        trained: of a candidate that was stopped, how many epochs it was trained.
        scores: of a candidate, its validation scores at the rungs that it has reached.
        attempt: the highest number of an attempt that has ended.
        failures: the kind of each failed attempt, by its number.
        forgiven: failures up to this attempt no longer count, because the user asked for a retry.
    """

    result: TrialState | None = None
    accuracy: float | None = None
    dataset_digest: str | None = None
    trained: int = 0
    scores: tuple[Score, ...] = ()
    attempt: int = 0
    failures: Mapping[int, str] = field(default_factory=lambda: _NO_FAILURES)
    forgiven: int = 0

    @property
    def finished(self) -> bool:
        """Whether the trial ended with a result."""
        return self.result is not None

    @property
    def counted_failures(self) -> tuple[str, ...]:
        """The kinds of the failures that count, in order of attempt."""
        return tuple(kind for attempt, kind in sorted(self.failures.items()) if attempt > self.forgiven)

    @property
    def given_up(self) -> bool:
        """Whether the failure table allows no further attempt."""
        return not self.finished and given_up(self.counted_failures)

    @property
    def state(self) -> TrialState:
        """Where the trial stands according to its rows; never RUNNING."""
        return self.result or (TrialState.FAILED if self.given_up else TrialState.WAITING)

    def with_row(self, row: TrialRow) -> TrialRecord:
        """The record after another row. Rows of one attempt under several labels count as one attempt."""
        attempt = max(self.attempt, row["attempt"])
        scores = max(self.scores, scores_of(row), key=len)
        if row["status"] in FINISHED:
            if self.finished:
                return replace(self, attempt=attempt)
            result = TrialState(row["status"])
            accuracy = row.get("final_test_accuracy") if result is TrialState.DONE else None
            return replace(
                self,
                attempt=attempt,
                result=result,
                accuracy=accuracy,
                scores=scores,
                dataset_digest=row["dataset_digest"],
            )
        if row["status"] == Outcome.STOPPED:
            return replace(
                self,
                attempt=attempt,
                scores=scores,
                trained=max(self.trained, row["epochs_trained"] or 0),
                dataset_digest=row["dataset_digest"],
            )
        return replace(self, attempt=attempt, failures={row["attempt"]: str(row["failure_kind"]), **self.failures})


class Ledger:
    """The records of all trials of a run, by trial id; grows as the driver writes rows.

    Args:
        rows: rows of `trials`, in the order they were written.
        forgiven: for each retried trial, the last attempt whose failure no longer counts.
    """

    def __init__(self, rows: Iterable[TrialRow] = (), forgiven: Mapping[str, int] = MappingProxyType({})) -> None:
        self._forgiven = forgiven
        self._records: dict[str, TrialRecord] = {}
        self._told: dict[tuple[CellKey, int], float] = {}  # epochs of training, by cell and attempt
        for row in rows:
            self.add(row)

    @classmethod
    def read(
        cls, run: RunDirectory, forgiven: Mapping[str, int] | None = None, part_reader: PartReader = read_part
    ) -> Ledger:
        """The ledger of a run (empty if it has no results); `forgiven` replaces what the run directory records."""
        rows = read_trial_rows(run.results, part_reader)
        return cls(rows, run.forgiven() if forgiven is None else forgiven)

    def add(self, row: TrialRow) -> None:
        """Record a row of `trials`."""
        self._records[row["trial_id"]] = self.record(row["trial_id"]).with_row(row)
        self._told[cell_key(row), row["attempt"]] = epochs_in(row)

    def record(self, trial_id: str) -> TrialRecord:
        """What is known of a trial; an empty record if nothing is."""
        return self._records.get(trial_id) or TrialRecord(forgiven=self._forgiven.get(trial_id, 0))

    def trial_ids(self) -> tuple[str, ...]:
        """The trials that have a row, in the order of their first one."""
        return tuple(self._records)

    def left(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those of `cells` still to be run: neither finished nor given up."""
        return [cell for cell in cells if self.record(cell.trial_id).state is TrialState.WAITING]

    def without_row(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those of `cells` whose trial is finished, or came to a later rung, by a row under another label alone."""
        found = []
        for cell in cells:
            record, key = self.record(cell.trial_id), cell.key
            told = max(self._told.get((key, attempt), 0) for attempt in range(record.attempt + 1))
            if (math.inf if record.finished else record.trained) > told:
                found.append(cell)
        return found

    def has_row(self, cell: Cell, attempt: int) -> bool:
        """Whether the cell has a row of that attempt under exactly its own label."""
        return (cell.key, attempt) in self._told

    def check_data(self, cells: Iterable[Cell], digests: Mapping[str, str]) -> None:
        """Refuse finished trials that were trained on data other than what is prepared now.

        Raises EnvironmentProblem naming the data set and both digests: results from different data are not comparable.
        """
        for cell in cells:
            record, now = self.record(cell.trial_id), digests[cell.spec.dataset]
            if (record.finished or record.trained) and record.dataset_digest != now:
                raise EnvironmentProblem(
                    f"data set {cell.spec.dataset} has changed: finished trials of this run used the data with digest "
                    f"{record.dataset_digest}, the prepared data has {now}; restore that data, or give the sweep "
                    f"another name"
                )
