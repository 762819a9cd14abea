"""From reports to rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fdt_core.results.reader import read_table
from fdt_core.results.writer import ResultsWriter
from fdt_core.trial.history import EpochRecord
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.recorder import Recorder
from orchestrator.run.report_rows import RowContext
from orchestrator.run.run_directory import RunDirectory
from orchestrator.run.stored_rows import Row
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from tests.orchestrator.histories import epochs, leave_weights, leave_working, write

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"
CONTEXT = RowContext(provenance={"git_commit": "abc"}, dataset_digests={"digits": "digest"}, device="cpu")
PLACE = ProcessLocation(hostname="node7", pid=1, slurm_job_id="42")


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    return plan_sweep(DEMO)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "demo")
    made.create()
    return made


def recorder_of(run: RunDirectory, ledger: Ledger | None = None) -> Recorder:
    """The recorder of a driver that starts on the run now."""
    return Recorder(run, ResultsWriter(run.results), ledger or Ledger.read(run), CONTEXT, keep="final")


def report(cell: Cell, *numbers: int, outcome: Outcome | None = None, attempt: int = 1) -> TrialReport:
    """A report with epochs of these numbers."""
    return TrialReport(
        trial_id=cell.trial_id,
        attempt=attempt,
        place=PLACE,
        outcome=outcome,
        epochs=tuple(
            EpochRecord(
                epoch=number,
                train_loss=1.0,
                train_accuracy=50.0,
                test_loss=1.0,
                test_accuracy=60.0,
                validation_loss=None,
                validation_accuracy=None,
                learning_rate=0.1,
                seconds=1.0,
                images_per_second=100.0,
            )
            for number in numbers
        ),
    )


def rows_of(run: RunDirectory, table: str) -> list[Row]:
    found: list[Row] = read_table(run.results, table).rows.to_pylist()
    return found


def written_epochs(run: RunDirectory) -> Iterator[object]:
    return (row["epoch"] for row in rows_of(run, "epochs"))


def test_an_epoch_that_is_reported_twice_is_written_once(run: RunDirectory, plan: SweepPlan) -> None:
    recorder, cell = recorder_of(run), plan.cells[0]
    recorder.record([cell], report(cell, 1, 2))
    recorder.record([cell], report(cell, 2, 3))
    recorder.tick(now=True)
    assert list(written_epochs(run)) == [1, 2, 3]


def test_a_new_driver_writes_only_the_epochs_that_the_former_one_lacked(run: RunDirectory, plan: SweepPlan) -> None:
    cell = plan.cells[0]
    write(run, epochs=epochs(cell, 2))
    recorder = recorder_of(run)
    recorder.record([cell], report(cell, 1, 2, 3))
    recorder.tick(now=True)
    assert list(written_epochs(run)) == [1, 2, 3]


def test_the_end_of_an_attempt_is_a_row_with_its_place_and_the_drivers_context(
    run: RunDirectory, plan: SweepPlan
) -> None:
    ledger, cell = Ledger(), plan.cells[0]
    recorder_of(run, ledger).record([cell], report(cell, 1, outcome=Outcome.DIVERGED))
    (row,) = rows_of(run, "trials")
    expected = {"status": "diverged", "failure_kind": None, "hostname": "node7", "slurm_job_id": "42"}
    assert expected.items() <= row.items()
    assert {"git_commit": "abc", "dataset_digest": "digest", "device": "cpu", "attempt": 1}.items() <= row.items()
    assert ledger.record(cell.trial_id).state is TrialState.DIVERGED


def test_a_failed_attempt_has_its_kind_and_a_further_attempt_follows(run: RunDirectory, plan: SweepPlan) -> None:
    ledger, cell = Ledger(), plan.cells[0]
    recorder_of(run, ledger).record([cell], report(cell, outcome=Outcome.OOM))
    (row,) = rows_of(run, "trials")
    assert (row["status"], row["failure_kind"]) == ("failed", "oom")
    assert ledger.record(cell.trial_id).state is TrialState.WAITING


@pytest.mark.parametrize("outcome", [Outcome.DRAINED, Outcome.BUSY, Outcome.ENVIRONMENT])
def test_an_attempt_that_is_only_interrupted_has_no_row(run: RunDirectory, plan: SweepPlan, outcome: Outcome) -> None:
    recorder, cell = recorder_of(run), plan.cells[0]
    recorder.record([cell], report(cell, 1, outcome=outcome))
    recorder.tick(now=True)
    assert rows_of(run, "trials") == []
    assert list(written_epochs(run)) == [1]


def test_a_row_reused_from_a_variant_names_it(run: RunDirectory, plan: SweepPlan) -> None:
    first = Cell(**{**vars(plan.cells[0]), "variant": "lr_low"})
    twin = Cell(**{**vars(first), "variant": "as_ever"})
    recorder_of(run).record([first, twin], report(first, 1, outcome=Outcome.DONE))
    rows = rows_of(run, "trials")
    assert [row["variant"] for row in rows] == ["lr_low", "as_ever"]
    assert rows[1]["reused_from"] == f"{first.sweep}/{first.spec.model}/{first.template}/lr_low"


def test_cells_that_share_a_trial_each_get_a_row_that_names_the_first(run: RunDirectory, plan: SweepPlan) -> None:
    first = plan.cells[0]
    twin = Cell(**{**vars(first), "template": "twin"})
    recorder_of(run).record([first, twin], report(first, 1, outcome=Outcome.DONE))
    rows = rows_of(run, "trials")
    assert [row["template"] for row in rows] == [first.template, "twin"]
    source = f"{first.sweep}/{first.spec.model}/{first.template}"
    assert [row["reused_from"] for row in rows] == [None, source]


def test_working_checkpoints_are_dropped_only_once_the_row_is_written(run: RunDirectory, plan: SweepPlan) -> None:
    recorder, (done, running) = recorder_of(run), plan.cells[:2]
    weights = leave_weights(run, done)
    working = {cell: leave_working(run, cell) for cell in (done, running)}
    recorder.record([running], report(running, 1))
    assert working[done].exists()
    recorder.record([done], report(done, 1, outcome=Outcome.DONE))
    recorder.tick(now=True)
    assert (weights.exists(), working[done].exists(), working[running].exists()) == (True, False, True)
