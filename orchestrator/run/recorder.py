"""From reports to rows: the only code that writes results, and that drops checkpoints once rows are safe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from fdt_core.results.decisions import WITHDRAWN, Comparison, comparison_of, current_decisions
from fdt_core.results.looks import Looks
from fdt_core.results.reader import PartReader, read_part, read_table
from fdt_core.results.writer import ResultsWriter
from fdt_core.training.checkpoint import Keep, TrialCheckpoints
from orchestrator.plan.cells import Cell
from orchestrator.run.adaptive.wanted_cells import BlockDecision
from orchestrator.run.ledger import Ledger
from orchestrator.run.report_rows import RowContext, decision_row, epoch_row, trial_row
from orchestrator.run.reuse import epochs_of, finished_rows, place_in_study, reused_row
from orchestrator.run.run_directory import RunDirectory
from orchestrator.run.stored_rows import Row, TrialRow, epochs_in
from orchestrator.trial.outcome import FINISHED, NO_END
from orchestrator.trial.report import TrialReport

EPOCH_FLUSH_SECONDS = 10.0


class Recorder:
    """Writes the rows that follow from reports.

    Args:
        run: the run directory.
        writer: the run's results.
        ledger: receives every row that is written to `trials`.
        context: what all rows of this driver have in common.
        keep: which weights are kept when a trial's row is written.
        sweep: the name of the sweep, for decisions.
        looks: when to look at the comparisons, in a sweep with adaptive seeds.
        part_reader: reads the results that exist at the start.
    """

    def __init__(
        self,
        run: RunDirectory,
        writer: ResultsWriter,
        ledger: Ledger,
        context: RowContext,
        *,
        keep: Keep,
        sweep: str = "",
        looks: Looks | None = None,
        part_reader: PartReader = read_part,
    ) -> None:
        self._run = run
        self._writer = writer
        self._ledger = ledger
        self._context = context
        self._keep = keep
        self._sweep = sweep
        self._looks = looks
        self._read_part = part_reader
        self._last_epoch = _last_epochs(run.results, part_reader)
        self._to_finalise: list[str] = []
        self._decided: dict[Comparison, list[Row]] = {}
        if looks is not None:
            decided = read_table(run.results, "decisions", part_reader=part_reader).rows.to_pylist()
            self._decided = {key: list(map(_undated, rows)) for key, rows in current_decisions(decided, looks).items()}

    def dataset_digest(self, name: str) -> str:
        """Digest of the prepared data that this driver's rows must come from."""
        return self._context.dataset_digests[name]

    def record(self, cells: Sequence[Cell], report: TrialReport) -> None:
        """Append the report's new epochs and, if it ends an attempt, a row for each of the trial's `cells`."""
        key = (report.trial_id, report.attempt)
        last = self._last_epoch.get(key, 0)
        if new := [record for record in report.epochs if record.epoch > last]:
            self._last_epoch[key] = new[-1].epoch
            self._writer.append("epochs", [epoch_row(report, record) for record in new])
        if report.outcome is not None and report.outcome not in NO_END:
            self._end_attempt(cells, report)
        self.tick()

    def tick(self, *, now: bool = False) -> None:
        """Write what is due (everything with `now`), then drop the checkpoints of trials whose rows are safe."""
        if now:
            self._writer.flush()
        self._writer.flush_due("epochs", every=EPOCH_FLUSH_SECONDS)
        if self._writer.flush_due("trials"):
            for trial_id in self._to_finalise:
                self._checkpoints(trial_id).finalise()
            self._to_finalise.clear()
            self._writer.flush_due("decisions")  # never before the rows that they follow from

    def drop_checkpoints(self, trial_ids: Iterable[str]) -> None:
        """Drop the checkpoints of stopped trials that never go on, once the rows that say so are on disk."""
        self._to_finalise += trial_ids

    def decide(self, decisions: Iterable[BlockDecision], *, all_of_them: bool = False) -> None:
        """Write a row for each decision that is not recorded yet, or differs from what is recorded of its look.

        Args:
            decisions: all that hold now on some comparisons, look by look.
            all_of_them: whether these are all that hold. What is recorded beyond them is then withdrawn.
        """
        if self._looks is None:
            return
        by_comparison: dict[Comparison, list[Row]] = {}
        for found in decisions:
            row = decision_row(found, self._sweep, self._looks)
            by_comparison.setdefault(comparison_of(row), []).append(row)
        for key in [*by_comparison, *(self._decided.keys() - by_comparison.keys() if all_of_them else ())]:
            rows, recorded = by_comparison.get(key, []), self._decided.get(key, [])
            same = 0
            while same < min(len(rows), len(recorded)) and rows[same] == recorded[same]:
                same += 1
            new = rows[same:]
            if all_of_them and not new and recorded[same:]:
                new = [{**recorded[same], "verdict": WITHDRAWN, "spared": 0}]
            now = {"decided_at": datetime.now(UTC), "code_version": self._context.provenance.get("code_version")}
            self._writer.append("decisions", [{**row, **now} for row in new])
            if new:
                self._decided[key] = rows
        self.tick()

    def reuse(self, cells: Sequence[Cell], runs: Iterable[Path]) -> int:
        """Write a row for each of `cells` whose trial is already trained; return how many rows were written.

        A trial may be finished in this run under another label, or in one of the other `runs` on the same data. From
        other runs its epochs and the weights that `keep` names are copied too, and so are the working checkpoints of
        half-trained trials.
        """
        written = self._label_again(cells)
        for run in runs:
            rows = finished_rows(run, self._context.dataset_digests, self._read_part)
            found = [cell for cell in cells if cell.trial_id in rows]
            missing = [cell for cell in found if self._lacks(rows[cell.trial_id])]
            for cell in found:  # before the rows: a trial with a row is skipped from then on
                self._checkpoints(cell.trial_id).take_weights(run / "checkpoints" / cell.trial_id)
            written += self._copy(rows, missing, run)
            for cell in self._ledger.left(cells):
                self._checkpoints(cell.trial_id).take_working(run / "checkpoints" / cell.trial_id)
        self.tick(now=True)
        return written

    def _lacks(self, row: TrialRow) -> bool:
        """Whether a row of another run tells more of its trial than is known here."""
        record = self._ledger.record(row["trial_id"])
        return not record.finished and epochs_in(row) > record.trained

    def _label_again(self, cells: Sequence[Cell]) -> int:
        """Write rows for cells whose trial this run has finished under another label; its epochs are already here."""
        unlabelled = self._ledger.without_row(cells)
        rows = finished_rows(self._run.path, part_reader=self._read_part) if unlabelled else {}
        # Version 0.1.0 counted attempts by label: a failed one may have the number of the one that succeeded.
        clashing = [cell for cell in unlabelled if self._ledger.has_row(cell, rows[cell.trial_id]["attempt"])]
        attempts = {trial_id: row["attempt"] for trial_id, row in rows.items()}
        self._append_reused(rows, [cell for cell in unlabelled if cell not in clashing], attempts)
        self._copy(rows, clashing, self._run.path)
        return len(unlabelled)

    def _copy(self, rows: Mapping[str, TrialRow], cells: Sequence[Cell], run: Path) -> int:
        """Copy rows and epochs of `run`, as new attempts whose numbers are free here."""
        attempts = {cell.trial_id: self._free_attempt(cell.trial_id) for cell in cells}
        # Another run's epochs are read only here: kept, those of all reused runs would be in memory together.
        part_reader = self._read_part if run == self._run.path else read_part
        epochs = epochs_of(run, attempts, part_reader) if cells else []
        wanted = [row for row in epochs if row["attempt"] == rows[row["trial_id"]]["attempt"]]
        self._writer.append("epochs", [{**row, "attempt": attempts[row["trial_id"]]} for row in wanted])
        self._writer.flush("epochs")
        self._append_reused(rows, cells, attempts, source=str(run))
        self._to_finalise += [trial_id for trial_id in attempts if rows[trial_id]["status"] in FINISHED]
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
        started = [attempt for known, attempt in self._last_epoch if known == trial_id]
        return max([self._ledger.record(trial_id).attempt, *started]) + 1

    def add_profile(self, row: Row) -> None:
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

    def _append_trials(self, rows: Sequence[Row]) -> None:
        self._writer.append("trials", rows)
        for row in rows:
            self._ledger.add(cast(TrialRow, row))


def _undated(row: Row) -> Row:
    """A row of `decisions` without what says when and by what it was recorded."""
    return {name: value for name, value in row.items() if name not in ("decided_at", "code_version")}


def _last_epochs(results: Path, part_reader: PartReader) -> dict[tuple[str, int], int]:
    """For each (trial, attempt) with rows of `epochs` but no end yet, the last epoch that has a row."""
    ended = read_table(results, "trials", ("trial_id", "attempt"), part_reader=part_reader).rows.to_pylist()
    known = {(row["trial_id"], row["attempt"]) for row in ended}
    epochs = read_table(results, "epochs", ("trial_id", "attempt", "epoch"), part_reader=part_reader).rows
    last = epochs.group_by(["trial_id", "attempt"]).aggregate([("epoch", "max")]).to_pylist()
    found = {(row["trial_id"], row["attempt"]): row["epoch_max"] for row in last}
    return {key: epoch for key, epoch in found.items() if key not in known}
