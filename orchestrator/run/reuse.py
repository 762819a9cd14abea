"""Results that need not be trained again: those of the same trial under another label, or in another run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fdt_core.errors import UsageError
from fdt_core.results.reader import PartReader, read_part, read_table
from fdt_core.results.run_lookup import find_run_path
from orchestrator.plan.cells import Cell
from orchestrator.run.stored_rows import EpochRow, Row, TrialRow, epochs_in
from orchestrator.trial.outcome import NOT_FAILED, Outcome


def source_runs(names: Sequence[str], runs_dir: Path | None) -> tuple[str, ...]:
    """The absolute paths of the runs to reuse, each given by name or path. Raises UsageError for an unknown run."""
    try:
        return tuple(str(find_run_path(name, runs_dir).absolute()) for name in names)
    except UsageError as error:
        raise UsageError(f"--reuse: {error}") from error


def finished_rows(
    run: Path, digests: Mapping[str, str] | None = None, part_reader: PartReader = read_part
) -> dict[str, TrialRow]:
    """The row of each trial of a run that needs not be trained again, all columns; empty if the run is gone.

    That is its first finished one; of a candidate that was stopped, the one with the most epochs. `digests` (by data
    set) leaves out the rows that come from other data.
    """
    found: dict[str, TrialRow] = {}
    rows: list[TrialRow] = read_table(run / "results", "trials", part_reader=part_reader).rows.to_pylist()
    for row in rows:
        same_data = digests is None or row["dataset_digest"] == digests.get(row["dataset"])
        if row["status"] in NOT_FAILED and same_data:
            other = found.get(row["trial_id"])
            if other is None or (other["status"] == Outcome.STOPPED and epochs_in(row) > epochs_in(other)):
                found[row["trial_id"]] = row
    return found


def epochs_of(run: Path, trial_ids: Iterable[str], part_reader: PartReader = read_part) -> list[EpochRow]:
    """The rows of `epochs` of these trials of a run, all attempts and columns."""
    import pyarrow as pa
    import pyarrow.compute

    rows = read_table(run / "results", "epochs", part_reader=part_reader).rows
    wanted = pa.compute.is_in(rows["trial_id"], pa.array(trial_ids, pa.string()))
    found: list[EpochRow] = rows.filter(wanted).to_pylist()
    return found


def reused_row(row: Row, cell: Cell, source: str, attempt: int) -> dict[str, object]:
    """The row of a cell whose trial is that of `row`, which came from `source`."""
    return {**row, **cell.columns(), "attempt": attempt, "reused_from": source}


def place_in_study(row: Row) -> str:
    """How `reused_from` names a row of the same run."""
    return "/".join(str(row[name]) for name in ("sweep", "model", "template", "variant") if row[name])
