"""What the driver reports while it works."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.plan.cells import Cell
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.backlog import Progress
from orchestrator.run.driver_status import SHOWN_TRIALS, DriverPlace
from orchestrator.run.ledger import TrialState
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import RUNNING_SECONDS, STATUS_SECONDS, StatusWriter
from orchestrator.trial.report import ProcessLocation, TrialReport

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"
PROGRESS = Progress(done=3, diverged=1, failed=0, held_back=0, total=24)


class FakeClock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def cell() -> Cell:
    return plan_sweep(DEMO).cells[0]


class Driver:
    """A status writer, and a record of what it has called."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.said: list[str] = []
        self.shown: list[int] = []
        self.beats: list[int] = []
        self.run = RunDirectory(directory)
        self.writer = StatusWriter(
            status_file=self.run.status_file,
            running_file=self.run.running_file,
            driver=DriverPlace(pid=1, host="here", generation=2),
            beat=self.beats.append,
            say=self.said.append,
            show=lambda _progress, running: self.shown.append(len(running)),
            clock=self.clock,
        )

    def written(self) -> Any:
        return json.loads(self.run.status_file.read_text())


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


def report(cell: Cell, outcome: Any = None, error: str | None = None) -> TrialReport:
    place = ProcessLocation(hostname="node7", pid=1)
    return TrialReport(trial_id=cell.trial_id, attempt=1, place=place, outcome=outcome, error=error)


def test_the_status_is_rewritten_once_a_second(driver: Driver, cell: Cell) -> None:
    driver.writer.started(cell)
    driver.writer.tick(PROGRESS)
    driver.clock.now += STATUS_SECONDS / 2
    driver.writer.tick(PROGRESS)
    assert (driver.beats, driver.shown) == ([1], [1])
    driver.clock.now += STATUS_SECONDS / 2
    driver.writer.tick(PROGRESS)
    assert (driver.beats, driver.shown) == ([1, 2], [1, 1])
    assert driver.written()["running"][0]["running_seconds"] == STATUS_SECONDS


def test_the_file_has_what_observers_and_users_tools_read(driver: Driver, cell: Cell) -> None:
    driver.writer.reported(cell, report(cell))
    driver.writer.write(PROGRESS)
    status = driver.written()
    assert set(status) == {"state", "driver", "counter", "written_at", "progress", "running", "more_running"}
    counts = {"done": 3, "diverged": 1, "failed": 0, "held_back": 0, "spared": 0, "may_follow": 0, "left": 20}
    assert status["progress"] == {**counts, "stopped": 0, "pending": 0, "total": 24}
    (running,) = status["running"]
    assert (running["host"], running["epoch"], running["eta_seconds"]) == ("node7", 0, None)
    read = driver.run.status()
    assert read is not None
    assert read.driver == DriverPlace(pid=1, host="here", generation=2)


def test_of_many_running_trials_the_status_has_those_that_run_longest_and_another_file_has_all(
    driver: Driver, cell: Cell
) -> None:
    trials = [replace(cell, trial_id=f"{number:012d}") for number in range(SHOWN_TRIALS + 3)]
    for each in reversed(trials):
        driver.clock.now += 1.0
        driver.writer.started(each)
    driver.writer.write(PROGRESS)
    status = driver.written()
    assert [trial["trial_id"] for trial in status["running"]] == [each.trial_id for each in trials[:2:-1]]
    assert status["more_running"] == 3
    everything = json.loads(driver.run.running_file.read_text())
    assert len(everything["running"]) == len(trials)
    assert everything["written_at"] == status["written_at"]
    driver.writer.returned(trials[0])
    driver.clock.now += RUNNING_SECONDS / 2
    driver.writer.write(PROGRESS)
    assert json.loads(driver.run.running_file.read_text()) == everything, "it is rewritten less often"
    driver.clock.now += RUNNING_SECONDS / 2
    driver.writer.write(PROGRESS)
    assert len(json.loads(driver.run.running_file.read_text())["running"]) == len(trials) - 1


def test_the_end_of_a_trial_is_a_line_with_how_far_the_sweep_is_and_how_long_it_took(
    driver: Driver, cell: Cell
) -> None:
    driver.writer.started(cell)
    driver.clock.now += 12.34
    driver.writer.ended(cell, report(cell, "diverged"), TrialState.DIVERGED, PROGRESS)
    assert driver.said == [f"[ 4/24] {cell.label}  diverged (loss not finite)  12.3 s"]
    assert driver.writer.running == {}


def test_a_failure_says_whether_it_is_tried_again_and_where_its_log_is(driver: Driver, cell: Cell) -> None:
    failed = report(cell, "error", "Traceback\nValueError: no such luck")
    driver.writer.ended(cell, failed, TrialState.WAITING, PROGRESS)
    first, second = driver.said
    assert first.endswith("failed (error); will be tried again  0.0 s")
    assert second == f"  error: ValueError: no such luck  (log: {driver.run.log(cell.trial_id)})"
    driver.writer.ended(cell, replace(failed, error=None), TrialState.FAILED, PROGRESS)
    assert driver.said[2].endswith("failed (error)  0.0 s")


def test_a_stop_shows_in_the_status_until_the_driver_has_ended(driver: Driver) -> None:
    driver.writer.stopping("SIGTERM")
    assert driver.said == ["stopping: SIGTERM; running trials save their state"]
    driver.writer.write(PROGRESS)
    assert driver.written()["state"] == "stopping"
    driver.writer.write(PROGRESS, state="stopped")
    assert driver.written()["state"] == "stopped"
