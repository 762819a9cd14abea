"""The ledger: what the Parquet rows say is done, and hence what is left to do.

A launch, a relaunch, a retry, an extension and a recovery are one thing: the plan minus the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdt_core.errors import EnvironmentProblem
from fdt_core.results.reader import read_table
from orchestrator.failures import FINISHED, given_up
from orchestrator.plan import Cell

CellKey = tuple[str, ...]

_COLUMNS = (
    "trial_id",
    "sweep",
    "model",
    "template",
    "dataset",
    "budget_rule",
    "attempt",
    "status",
    "failure_kind",
    "dataset_digest",
    "seed",
)


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """What the rows say of one cell: how it ended, if it did, and each failed attempt's kind in order."""

    status: str | None = None
    dataset_digest: str | None = None
    failures: tuple[str, ...] = ()
    attempt: int = 0

    @property
    def finished(self) -> bool:
        """Whether the cell ended with a result (`done` or `diverged`)."""
        return self.status in FINISHED

    def given_up(self, forgiven: int = 0) -> bool:
        """Whether the failure table allows no further attempt; the first `forgiven` failures do not count."""
        return not self.finished and given_up(self.failures[forgiven:])

    def with_row(self, row: Mapping[str, Any]) -> CellRecord:
        """The record after one more row."""
        attempt = max(self.attempt, row["attempt"])
        if row["status"] in FINISHED:
            return CellRecord(
                status=row["status"],
                dataset_digest=row["dataset_digest"],
                failures=self.failures,
                attempt=attempt,
            )
        return CellRecord(
            status=self.status,
            dataset_digest=self.dataset_digest,
            failures=(*self.failures, row["failure_kind"]),
            attempt=attempt,
        )


class Ledger:
    """The records of all cells of a run, by cell key; grows as the driver writes rows."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._records: dict[CellKey, CellRecord] = {}
        for row in rows:
            self.add(row)

    @classmethod
    def read(cls, results: Path) -> Ledger:
        """The ledger of a run's `results` directory (empty where there is none)."""
        return cls(read_table(results, "trials", _COLUMNS).rows.to_pylist())

    def add(self, row: Mapping[str, Any]) -> None:
        """Take note of a row of `trials`."""
        key = tuple(row[name] for name in _COLUMNS[:6])
        self._records[key] = self.record(key).with_row(row)

    def record(self, key: CellKey) -> CellRecord:
        """What is known of a cell; an empty record where nothing is."""
        return self._records.get(key, CellRecord())

    def left(self, cells: Iterable[Cell]) -> list[Cell]:
        """Those of `cells` that are still to be run: neither finished nor given up."""
        records = ((cell, self.record(cell.key)) for cell in cells)
        return [cell for cell, record in records if not record.finished and not record.given_up()]

    def check_data(self, cells: Iterable[Cell], digests: Mapping[str, str]) -> None:
        """Refuse rows that were trained on other data than what is prepared now.

        Raises EnvironmentProblem naming the data set and both digests: mixing them would compare what is not
        comparable.
        """
        for cell in cells:
            record, now = self.record(cell.key), digests[cell.spec.dataset]
            if record.finished and record.dataset_digest != now:
                raise EnvironmentProblem(
                    f"data set {cell.spec.dataset} has changed: finished trials of this run used the data with digest "
                    f"{record.dataset_digest}, the prepared data has {now}; restore that data, or give the sweep "
                    f"another name"
                )
