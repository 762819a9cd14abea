"""A sweep that is driven: what it leaves for observers and for the next driver, and what it reports at its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fdt_core.errors import EnvironmentProblem
from orchestrator.run.driver_lease import live_owner
from orchestrator.run.open_run import OpenRun
from orchestrator.trial.outcome import Outcome
from orchestrator.tune.drive_sweep import drive_sweep, summary
from orchestrator.tune.stop_signals import StopSignals
from tests.orchestrator.tune.drivers import FakeProcess, Surroundings


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def train_one(around: Surroundings, work: OpenRun) -> None:
    """Take the next trial, and end it."""
    FakeProcess(around.driver(work)).start().end(Outcome.DONE)


def test_a_sweep_that_is_stopped_exits_with_75_and_leaves_the_run_to_the_next_driver(
    around: Surroundings, capsys: pytest.CaptureFixture[str]
) -> None:
    work, signals = around.open_run(), StopSignals()
    signals.reason = "interrupted"
    assert drive_sweep(work, around.compute(), signals, losses=around.losses(work)) == 75
    assert json.loads(work.run.status_file.read_text())["state"] == "stopped"
    assert live_owner(work.run.driver) is None
    assert "stopping: interrupted" in capsys.readouterr().err


def test_a_sweep_with_nothing_left_ends_with_0(around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
    work = around.open_run(trials=1)
    train_one(around, work)
    assert drive_sweep(work, around.compute(), StopSignals(), losses=around.losses(work)) == 0
    assert json.loads(work.run.status_file.read_text())["state"] == "ended"
    assert "1 done, 0 diverged, 0 failed, 0 left of 1 trials" in capsys.readouterr().err


def test_a_run_directory_that_cannot_be_written_is_named(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    work = around.open_run(trials=1)
    train_one(around, work)

    def full(**_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(work.recorder, "tick", full)
    with pytest.raises(EnvironmentProblem, match=f"cannot write to {work.run.path}: No space left on device"):
        drive_sweep(work, around.compute(), StopSignals(), losses=around.losses(work))
    assert live_owner(work.run.driver) is None


def test_the_summary_says_what_comes_next(around: Surroundings) -> None:
    work = around.open_run(trials=2)
    process = FakeProcess(around.driver(work)).start()
    process.end(Outcome.CRASH, "why")
    assert summary(work) == ("0 done, 0 diverged, 1 failed, 1 left of 2 trials; the same launch continues from here")
    process.end(Outcome.DONE)
    assert summary(work) == (
        f"1 done, 0 diverged, 1 failed, 0 left of 2 trials; see: fdt-sweep results {work.run.path}"
    )
