"""From reports to rows: the only code that writes results, and that lets go of checkpoints once rows are safe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdt_core.checkpoint import Keep, TrialCheckpoints
from fdt_core.errors import UsageError
from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter
from orchestrator.failures import FINISHED
from orchestrator.ledger import Ledger
from orchestrator.plan import Cell
from orchestrator.run_directory import RunDirectory
from orchestrator.trial_report import RowContext, TrialReport, epoch_rows, reused_row, trial_row

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
        if report.outcome not in (None, "drained", "environment"):
            self._end_attempt(cells, report)
        self.tick()

    def tick(self, *, now: bool = False) -> None:
        """Write what is due (all of it with `now`), then let go of the checkpoints of trials whose rows are safe."""
        if now:
            self._writer.flush()
        self._writer.flush_due("epochs", every=EPOCH_FLUSH_SECONDS)
        if self._writer.flush_due("trials"):
            for trial_id in self._to_finalise:
                TrialCheckpoints(directory=self._run.checkpoints / trial_id, keep=self._keep).finalise()
            self._to_finalise.clear()

    def complete_twins(self, trials: Iterable[Sequence[Cell]]) -> int:
        """Copy rows to cells that are the same trial as a finished one; returns how many were copied."""
        sources = {}
        for cells in trials:
            finished = [cell for cell in cells if self._ledger.record(cell.key).finished]
            if finished and len(finished) < len(cells):
                sources[cells[0].trial_id] = (finished[0], [cell for cell in cells if cell not in finished])
        if not sources:
            return 0
        copies = []
        for row in read_table(self._run.results, "trials").rows.to_pylist():
            source, targets = sources.get(row["trial_id"], (None, []))
            if source is not None and row["status"] in FINISHED and row["template"] == source.template:
                copies += [reused_row(row, cell, _place_in_study(source)) for cell in targets]
        self._append_trials(copies)
        self.tick(now=True)
        return len(copies)

    def add_profile(self, row: Mapping[str, Any]) -> None:
        """Write a row of `profiles`."""
        self._writer.append("profiles", [row])
        self._writer.flush("profiles")

    def reuse(self, runs: Iterable[Path], cells: Sequence[Cell]) -> int:
        """Copy the finished rows, and their epochs, of the same trials on the same data from other runs.

        Returns how many rows were copied. Raises UsageError for a directory that holds no results.
        """
        copied = 0
        for run in runs:
            if not (run / "results").is_dir():
                raise UsageError(f"--reuse {run}: holds no results")
            wanted = {cell.trial_id: cell for cell in cells if not self._ledger.record(cell.key).finished}
            rows = {
                row["trial_id"]: row
                for row in read_table(run / "results", "trials").rows.to_pylist()
                if row["trial_id"] in wanted
                and row["status"] in FINISHED
                and row["dataset_digest"] == self.dataset_digest(row["dataset"])
            }
            attempts = {(trial_id, row["attempt"]) for trial_id, row in rows.items()}
            epochs = read_table(run / "results", "epochs").rows.to_pylist() if rows else []
            self._writer.append("epochs", [row for row in epochs if (row["trial_id"], row["attempt"]) in attempts])
            self._append_trials([reused_row(row, wanted[key], str(run)) for key, row in rows.items()])
            self.tick(now=True)
            copied += len(rows)
        return copied

    def _end_attempt(self, cells: Sequence[Cell], report: TrialReport) -> None:
        first = trial_row(cells[0], report, self._context)
        twins = [reused_row(first, cell, _place_in_study(cells[0])) for cell in cells[1:]]
        self._writer.flush("epochs")
        self._append_trials([first, *twins])
        self._last_epoch.pop((report.trial_id, report.attempt), None)
        if report.outcome in FINISHED:
            self._to_finalise.append(report.trial_id)

    def _append_trials(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.append("trials", rows)
        for row in rows:
            self._ledger.add(row)


def _place_in_study(cell: Cell) -> str:
    """How `reused_from` names a cell of the same sweep."""
    return f"{cell.sweep}/{cell.spec.model}/{cell.template}"


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
