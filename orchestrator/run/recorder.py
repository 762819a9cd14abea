"""From reports to rows: the only code that writes results, and that lets go of checkpoints once rows are safe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter
from fdt_core.training.checkpoint import Keep, TrialCheckpoints
from orchestrator.plan.cells import Cell
from orchestrator.run.ledger import Ledger
from orchestrator.run.reuse import Row, epochs_of, finished_rows, place_in_study, reused_row
from orchestrator.run.rows import RowContext, epoch_rows, trial_row
from orchestrator.run.run_directory import RunDirectory
from orchestrator.trial.outcome import FINISHED, NO_END
from orchestrator.trial.report import TrialReport

EPOCH_FLUSH_SECONDS = 10.0


class Recorder:
    """Writes the rows that reports earn.

    Args:
        run: the run directory.
        writer: the run's results.
        ledger: is kept in step with the rows.
        context: what all rows of this driver have in common.
        keep: which weights stay when a trial's row is written.
    """

    def __init__(
        self, run: RunDirectory, writer: ResultsWriter, ledger: Ledger, context: RowContext, *, keep: Keep
    ) -> None:
        self._run = run
        self._writer = writer
        self._ledger = ledger
        self._context = context
        self._keep = keep
        self._last_epoch = _last_epochs(run.results)
        self._to_finalise: list[str] = []

    def dataset_digest(self, name: str) -> str:
        """Digest of the prepared data that this driver's rows are to come from."""
        return self._context.dataset_digests[name]

    def record(self, cells: Sequence[Cell], report: TrialReport) -> None:
        """Append the report's new epochs and, where it ends an attempt, a row for each of the trial's `cells`."""
        key = (report.trial_id, report.attempt)
        rows = epoch_rows(report, after=self._last_epoch.get(key, 0))
        if rows:
            self._last_epoch[key] = rows[-1]["epoch"]
            self._writer.append("epochs", rows)
        if report.outcome is not None and report.outcome not in NO_END:
            self._end_attempt(cells, report)
        self.tick()

    def tick(self, *, now: bool = False) -> None:
        """Write what is due (all of it with `now`), then let go of the checkpoints of trials whose rows are safe."""
        if now:
            self._writer.flush()
        self._writer.flush_due("epochs", every=EPOCH_FLUSH_SECONDS)
        if self._writer.flush_due("trials"):
            for trial_id in self._to_finalise:
                self._checkpoints(trial_id).finalise()
            self._to_finalise.clear()

    def reuse(self, cells: Sequence[Cell], runs: Iterable[Path]) -> int:
        """Give each of `cells` whose trial has been trained before its row; returns how many rows were written.

        A trial may be finished in this run under another label, or in one of the other `runs` on the same data. From
        there its epochs and the weights that `keep` names come along, and the checkpoints of half-trained trials.
        """
        written = self._label_again(cells)
        for run in runs:
            rows = finished_rows(run, self._context.dataset_digests)
            found = [cell for cell in cells if cell.trial_id in rows]
            missing = [cell for cell in found if not self._ledger.record(cell.trial_id).finished]
            for cell in found:  # before the rows: a trial with a row is not looked at again
                self._checkpoints(cell.trial_id).take_weights(run / "checkpoints" / cell.trial_id)
            written += self._copy(rows, missing, run)
            for cell in self._ledger.left(cells):
                self._checkpoints(cell.trial_id).take_working(run / "checkpoints" / cell.trial_id)
        self.tick(now=True)
        return written

    def _label_again(self, cells: Sequence[Cell]) -> int:
        """Rows for the cells whose trial this run has finished under another label; its epochs are there already."""
        unlabelled = self._ledger.without_row(cells)
        rows = finished_rows(self._run.path) if unlabelled else {}
        # Version 0.1.0 counted attempts by label, so a failed one may have the number of the one that succeeded.
        clashing = [cell for cell in unlabelled if self._ledger.has_row(cell, rows[cell.trial_id]["attempt"])]
        attempts = {trial_id: row["attempt"] for trial_id, row in rows.items()}
        self._append_reused(rows, [cell for cell in unlabelled if cell not in clashing], attempts)
        self._copy(rows, clashing, self._run.path)
        return len(unlabelled)

    def _copy(self, rows: Mapping[str, Row], cells: Sequence[Cell], run: Path) -> int:
        """Rows and epochs of `run`, as attempts of their own whose numbers are free here."""
        attempts = {cell.trial_id: self._free_attempt(cell.trial_id) for cell in cells}
        epochs = epochs_of(run, attempts) if cells else []
        wanted = [row for row in epochs if row["attempt"] == rows[row["trial_id"]]["attempt"]]
        self._writer.append("epochs", [{**row, "attempt": attempts[row["trial_id"]]} for row in wanted])
        self._writer.flush("epochs")
        self._append_reused(rows, cells, attempts, source=str(run))
        self._to_finalise += attempts
        return len(cells)

    def _append_reused(
        self, rows: Mapping[str, Row], cells: Sequence[Cell], attempts: Mapping[str, int], source: str | None = None
    ) -> None:
        copies = []
        for cell in cells:
            row = rows[cell.trial_id]
            copies.append(reused_row(row, cell, source or place_in_study(row), attempts[cell.trial_id]))
        self._append_trials(copies)

    def _free_attempt(self, trial_id: str) -> int:
        begun = [attempt for known, attempt in self._last_epoch if known == trial_id]
        return max([self._ledger.record(trial_id).attempt, *begun]) + 1

    def add_profile(self, row: Mapping[str, Any]) -> None:
        """Write a row of `profiles`."""
        self._writer.append("profiles", [row])
        self._writer.flush("profiles")

    def _end_attempt(self, cells: Sequence[Cell], report: TrialReport) -> None:
        first = trial_row(cells[0], report, self._context)
        twins = [reused_row(first, cell, place_in_study(first), report.attempt) for cell in cells[1:]]
        self._writer.flush("epochs")
        self._append_trials([first, *twins])
        self._last_epoch.pop((report.trial_id, report.attempt), None)
        if report.outcome in FINISHED:
            self._to_finalise.append(report.trial_id)

    def _checkpoints(self, trial_id: str) -> TrialCheckpoints:
        return TrialCheckpoints(directory=self._run.checkpoints / trial_id, keep=self._keep)

    def _append_trials(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.append("trials", rows)
        for row in rows:
            self._ledger.add(row)


def _last_epochs(results: Path) -> dict[tuple[str, int], int]:
    """For each (trial, attempt) with rows but no end yet, the last epoch that has a row."""
    ended = read_table(results, "trials", ("trial_id", "attempt")).rows.to_pylist()
    gone = {(row["trial_id"], row["attempt"]) for row in ended}
    last: dict[tuple[str, int], int] = {}
    for row in read_table(results, "epochs", ("trial_id", "attempt", "epoch")).rows.to_pylist():
        key = (row["trial_id"], row["attempt"])
        if key not in gone:
            last[key] = max(last.get(key, 0), row["epoch"])
    return last
