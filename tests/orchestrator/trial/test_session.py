"""A trial in a process that is about to end: what it has trained is saved, whoever else is late."""

from __future__ import annotations

import dataclasses
import errno
import threading
import time
from typing import Any

import pytest

from cluster.machine.drain import DRAIN_FILE_VARIABLE, raise_drain_flag
from fdt_core.training.checkpoint import TrialCheckpoints
from lab.sweeps import Place, fdt_sweep, trial_order, wait_until
from orchestrator.trial.session import TrialSession

pytestmark = pytest.mark.trainer


@pytest.fixture
def session(place: Place, monkeypatch: pytest.MonkeyPatch) -> TrialSession:
    """A trial whose checkpoints are rare, in a process with a drain flag."""
    assert fdt_sweep("data", "prepare", "digits", "--data-dir", str(place.data)).returncode == 0
    (place.run / "logs").mkdir(parents=True)
    monkeypatch.setenv(DRAIN_FILE_VARIABLE, str(place.directory / "drain"))
    return TrialSession(trial_order(place), {})


def saved(place: Place) -> list[str]:
    """The epochs of the working checkpoints."""
    return [path.name.split("-")[1] for path in place.run.glob("checkpoints/*/working-*.pt")]


def test_a_trial_that_waits_for_its_next_step_is_saved_by_a_drain(place: Place, session: TrialSession) -> None:
    assert [session.advance().epochs[0].epoch, session.advance().epochs[0].epoch] == [1, 2]
    assert saved(place) == [], "the interval has not passed"
    raise_drain_flag(place.directory / "drain", time.time() + 3600)
    wait_until(lambda: saved(place) == ["000002"], 10)
    assert session.advance().outcome == "drained"
    session.close()


def test_a_drain_waits_for_the_checkpoint_that_is_being_written_and_saves_the_newest(
    place: Place, session: TrialSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, may_go_on = TrialCheckpoints.save, threading.Event()

    def slowly(*given: Any) -> None:
        assert may_go_on.wait(60)
        save(*given)

    monkeypatch.setattr(TrialCheckpoints, "save", slowly)
    session._settings = dataclasses.replace(session._settings, checkpoint_interval=0.0)
    epochs = [session.advance().epochs[0].epoch for _ in range(3)]
    assert saved(place) == [], "the training did not wait"
    raise_drain_flag(place.directory / "drain", time.time() + 3600)
    threading.Timer(0.5, may_go_on.set).start()
    assert session.advance().outcome == "drained"
    assert max(saved(place)) == f"{epochs[-1]:06d}"
    session.close()


def test_a_closed_trial_is_not_saved_any_more(place: Place, session: TrialSession) -> None:
    session.advance()
    session.close()
    raise_drain_flag(place.directory / "drain", time.time() + 3600)
    time.sleep(0.5)
    assert saved(place) == []


def test_a_trial_that_cannot_be_saved_says_so_in_its_log_and_its_next_report(
    place: Place, session: TrialSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    session.advance()
    monkeypatch.setattr(TrialCheckpoints, "save", full)
    raise_drain_flag(place.directory / "drain", time.time() + 3600)
    (log,) = place.run.glob("logs/*.log")
    wait_until(lambda: "could not be saved" in log.read_text(), 10)
    report = session.advance()
    session.close()
    assert report.outcome == "environment"
    assert "No space left" in str(report.error)
