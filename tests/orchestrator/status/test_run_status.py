"""The status of a run, from files alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fdt_core.results.writer import ResultsWriter
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import claim
from orchestrator.run.driver_status import DriverPlace, RunningStatus
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.run_status import run_status
from orchestrator.status.status_text import status_text
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.report import ProcessLocation, TrialReport

FORMER: dict[str, Any] = {
    "trial_id": "3f6a1c09be22",
    **dict.fromkeys(("model", "template", "dataset", "host"), "of the former driver"),
    **dict.fromkeys(("seed", "epoch", "epochs"), 1),
    **dict.fromkeys(("test_accuracy", "images_per_second", "eta_seconds"), None),
    "running_seconds": 1.0,
}
"""A running trial in a status."""

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    return plan_sweep(DEMO)


@pytest.fixture
def run(tmp_path: Path, plan: SweepPlan) -> RunDirectory:
    made = RunDirectory(tmp_path / "demo")
    made.create()
    made.freeze(plan, DEMO.read_text(), {})
    return made


def write_status(run: RunDirectory, *, lease: int, age: float = 0.0, **changes: Any) -> None:
    status = {
        "state": "running",
        "driver": {"pid": 1, "host": "here", "generation": lease},
        "written_at": (datetime.now(UTC) - timedelta(seconds=age)).isoformat(),
        "running": [],
    }
    run.status_file.write_text(json.dumps(status | changes))


def row(plan: SweepPlan, index: int, status: str, kind: str | None = None, attempt: int = 1) -> dict[str, Any]:
    error = None if kind is None else "Traceback\nValueError: no such luck"
    return {
        **plan.cells[index].columns(),
        "status": status,
        "failure_kind": kind,
        "error": error,
        "attempt": attempt,
        "dataset_digest": "d",
    }


def test_a_frozen_run_that_nobody_drives_is_new(run: RunDirectory) -> None:
    status = run_status(run)
    assert status.state == "new"
    assert not status.is_under_way
    assert status.progress.left == status.progress.total == 24


def test_a_driver_that_has_not_written_yet_is_starting_whatever_a_former_one_left(run: RunDirectory) -> None:
    for state in ("stopped", "running"):
        write_status(run, lease=0, age=1000, state=state, running=[FORMER])
        left = run.status()
        assert left is not None
        assert left.running == (RunningStatus(**FORMER),)
        lease = claim(run.driver)
        status = run_status(run)
        assert (status.state, status.running, status.silent_seconds) == ("starting", (), None)
        assert status.is_under_way
        write_status(run, lease=lease.number)
        assert run_status(run).state == "running"
        lease.release()


def test_a_dead_driver_is_told_from_a_slow_one(run: RunDirectory) -> None:
    mine = claim(run.driver)
    write_status(run, lease=mine.number, age=100)
    slow = run_status(run)
    assert slow.is_under_way
    assert "has been silent for 100 s" in status_text(slow)
    mine.release()
    script = (
        f"from pathlib import Path; from orchestrator.run.driver_lease import claim; claim(Path({str(run.driver)!r}))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    write_status(run, lease=mine.number + 1)
    dead = run_status(run)
    assert not dead.is_under_way
    assert "has died: launch again" in status_text(dead)


def test_failures_are_counted_by_their_signature_and_cells_by_how_they_ended(
    run: RunDirectory, plan: SweepPlan
) -> None:
    store = ResultsWriter(run.results)
    store.append(
        "trials", [row(plan, 0, "done"), row(plan, 1, "failed", "error"), row(plan, 1, "failed", "error", attempt=2)]
    )
    store.flush()
    text = status_text(run_status(run))
    assert "1 done, 0 diverged, 1 failed, 22 left of 24" in text
    assert "2 x error: ValueError: no such luck" in text
    cell = plan.cells[1]
    assert f"{cell.template} 1/2 (1 failed)" in text


def test_rows_of_former_plans_count_nowhere_and_are_shown_apart(run: RunDirectory, plan: SweepPlan) -> None:
    """As after a change of the recipe: also the failures of the former trials are not the plan's."""
    former = plan_sweep(DEMO, ["recipe.learning_rate=0.3"])
    store = ResultsWriter(run.results)
    store.append("trials", [row(plan, 0, "done"), row(former, 1, "failed", "error"), row(former, 2, "done")])
    store.flush()
    status = run_status(run)
    assert (status.progress.done, status.progress.failed, status.failures) == (1, 0, {})
    assert status.former.rows == 2
    assert status_text(status).splitlines()[-1] == "  2 rows of former plans left out; --all shows them, marked"
    shown = status_text(status, former=True).splitlines()[-2:]
    assert all(line.startswith("  former plan, counted nowhere: ") for line in shown)
    assert [line.rpartition("  ")[2] for line in sorted(shown)] in (["1 done", "1 failed"], ["1 failed", "1 done"])


def test_trials_that_the_breaker_holds_back_are_told_and_how_they_go_on(tmp_path: Path) -> None:
    plan = plan_sweep(DEMO, ["seeds=5"])
    run = RunDirectory(tmp_path / "demo")
    run.create()
    run.freeze(plan, "", {})
    store = ResultsWriter(run.results)
    pair = [index for index, cell in enumerate(plan.cells) if (cell.spec.model, cell.template) == ("vgg19", "a")]
    store.append("trials", [row(plan, index, "failed", "crash") for index in pair[:3]])
    store.flush()
    status = run_status(run)
    assert (status.progress.held_back, status.progress.left) == (2, 55)
    assert (
        f"2 held back: every trial of their model and template failed; fix the cause, then: fdt-sweep retry {run.path}"
        in (status_text(status))
    )


def test_a_running_trial_shows_its_place_before_its_first_epoch_and_its_time_left_after(
    run: RunDirectory, plan: SweepPlan
) -> None:
    from fdt_core.trial.history import EpochRecord
    from orchestrator.run.backlog import Progress

    mine = claim(run.driver)
    watch = StatusWriter(
        status_file=run.status_file,
        running_file=run.running_file,
        driver=DriverPlace(pid=1, host="h", generation=mine.number),
    )
    cell = plan.cells[0]
    announced = TrialReport(
        trial_id=cell.trial_id, attempt=1, place=ProcessLocation(hostname="node7", pid=1, node_id="n")
    )
    record = EpochRecord(
        epoch=2,
        train_loss=1.0,
        train_accuracy=50.0,
        test_loss=1.0,
        test_accuracy=61.5,
        validation_loss=None,
        validation_accuracy=None,
        learning_rate=0.1,
        seconds=10.0,
        images_per_second=140.0,
    )
    progress = Progress(done=0, diverged=0, failed=0, held_back=0, total=24)
    watch.started(cell)
    watch.reported(cell, announced)
    watch.write(progress)
    epochs = cell.spec.recipe.epochs
    assert f"epoch 0/{epochs}  node7" in status_text(run_status(run))
    watch.reported(cell, dataclasses.replace(announced, epochs=(record,)))
    watch.write(progress)
    text = status_text(run_status(run))
    assert f"epoch 2/{epochs}  61.50 %  140 images/s  about {(epochs - 2) * 10} seconds left  node7" in text
    mine.release()


def test_the_keys_of_the_json_are_an_interface(run: RunDirectory, plan: SweepPlan) -> None:
    former = plan_sweep(DEMO, ["recipe.learning_rate=0.3"])
    store = ResultsWriter(run.results)
    failures = [row(plan, 1, "failed", "error", attempt=attempt) for attempt in (1, 2)]
    store.append("trials", [row(plan, 0, "done"), *failures, row(former, 2, "done")])
    store.flush()
    lease = claim(run.driver)
    write_status(run, lease=lease.number, running=[FORMER])
    status = json.loads(json.dumps(run_status(run).to_json()))
    lease.release()
    assert set(status) == {
        "run",
        "sweep",
        "state",
        "silent_seconds",
        "progress",
        "looks",
        "tuning",
        "cells",
        "running",
        "more_running",
        "failures",
        "former",
        "driver",
        "driver_is_gone",
        "slurm",
        "notes",
    }
    assert set(status["progress"]) == {
        "done",
        "diverged",
        "failed",
        "held_back",
        "spared",
        "may_follow",
        "stopped",
        "pending",
        "total",
        "left",
    }
    place, counts = {"model", "template", "dataset", "variant"}, {"done", "diverged", "failed", "left"}
    assert all(place < set(cell) <= place | counts for cell in status["cells"])
    assert {key for cell in status["cells"] for key in cell} == place | {"done", "failed", "left"}
    assert status["running"] == [FORMER | {"variant": "", "stage": "comparison", "candidate": ""}]
    assert status["failures"] == {"error: ValueError: no such luck": 2}
    cell = former.cells[2]
    names = {"model": cell.spec.model, "template": cell.template, "dataset": "digits", "variant": ""}
    assert status["former"] == {"rows": 1, "counts": [{**names, "status": "done", "rows": 1}]}
    assert status["driver"] == {"pid": 1, "host": "here", "generation": lease.number}
    assert (status["slurm"], status["notes"], status["driver_is_gone"]) == (None, [], False)
