"""A launch that is terminated saves what it trains, by a signal to its group as by its terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import termios
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from fdt_core.results.equality import run_differences
from fdt_core.results.reader import read_table
from lab.sweeps import (
    Place,
    descendants,
    driver_process,
    has_begun,
    is_alive,
    raylets,
    saved_trials,
    wait_until,
)
from orchestrator.run.driver_lease import owner_here
from orchestrator.tune.stop_signals import StopSignals


@pytest.fixture
def restored() -> Iterator[None]:
    """The handlers of this process are put back after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_nothing_else_happens(restored: None, number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    before = signal.getsignal(number)
    with StopSignals() as signals:
        before_signal = signals.reason
        os.kill(os.getpid(), number)
        assert before_signal is None
        assert number.name in str(signals.reason) or (number == signal.SIGINT and "interrupted" in str(signals.reason))
    assert signal.getsignal(number) == before


def test_a_second_interrupt_stops_at_once_and_no_other_signal_does(restored: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with StopSignals() as signals:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert signals.reason == "terminated (SIGTERM)"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_hang_up_that_is_ignored_stays_ignored(restored: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.reason is None


@pytest.mark.slow
@pytest.mark.engine
def test_sigterm_to_the_whole_group_drains(place: Place, undisturbed: Place) -> None:
    launched = place.start()
    wait_until(lambda: has_begun(place))
    (raylet,) = raylets(driver_process(launched))
    for _ in range(2):
        os.killpg(launched.pid, signal.SIGTERM)
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 75, output
    assert "stopping: terminated (SIGTERM); running trials save their state" in output
    assert "died" not in output
    assert saved_trials(place)
    assert not is_alive(raylet)
    place.launch()
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert pd.read_parquet(place.run / "results" / "trials").interruptions.sum() >= 1


def close(terminal: int, launched: subprocess.Popen[bytes]) -> None:
    os.close(terminal)
    os.killpg(launched.pid, signal.SIGHUP)  # as a shell does to its jobs when it ends with its terminal


def press_ctrl_c(terminal: int, launched: subprocess.Popen[bytes]) -> None:
    os.write(terminal, b"\x03")


@pytest.mark.engine
@pytest.mark.parametrize("act", [press_ctrl_c, close])
def test_ctrl_c_and_the_end_of_the_terminal_drain(
    place: Place, act: Callable[[int, subprocess.Popen[bytes]], None]
) -> None:
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored if the tests themselves run under nohup
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm"}
    streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    launched = subprocess.Popen(place.command(), **streams, env=environment, preexec_fn=take_terminal)
    os.close(theirs)
    wait_until(lambda: has_begun(place))
    act(ours, launched)
    assert launched.wait(timeout=120) == 75
    assert place.status()["state"] == "stopped"
    assert saved_trials(place)


@pytest.mark.engine
def test_under_nohup_a_sweep_goes_on_after_a_hang_up(place: Place) -> None:
    launched = subprocess.Popen(
        ["nohup", *place.command("--set", "seeds=1", "--set", "epochs=3")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: has_begun(place))
    os.killpg(launched.pid, signal.SIGHUP)
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 0, output
    assert output.count(" done  ") == 2


@pytest.mark.engine
def test_sigterm_while_ray_starts_is_an_interruption(place: Place) -> None:
    launched = place.start()
    wait_until(lambda: raylets(driver_process(launched)) if owner_here(place.run / "driver") else None)
    family = descendants(launched)
    os.killpg(launched.pid, signal.SIGTERM)
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 75, output
    assert "terminated (SIGTERM)" in output
    assert "Traceback" not in output
    wait_until(lambda: not any(is_alive(process) for process in family), seconds=30)


@pytest.mark.engine
def test_sigterm_while_speeds_are_measured_is_an_interruption(place: Place, undisturbed: Place) -> None:
    shutil.copytree(undisturbed.run, place.run)
    launched = place.start("--profile")
    assert launched.stdout is not None
    wait_until(lambda: "measuring the speed" in launched.stdout.readline())  # type: ignore[union-attr]  # just asserted
    os.killpg(launched.pid, signal.SIGTERM)
    output, _ = launched.communicate(timeout=120)
    assert launched.returncode == 75, output
    assert "stopping: terminated (SIGTERM)" in output
    assert read_table(place.run / "results", "profiles").rows.num_rows < 2


@pytest.mark.engine
def test_sigterm_to_the_group_of_a_detached_driver_drains(place: Place) -> None:
    place.launch("--detach")
    wait_until(lambda: has_begun(place))
    owner = owner_here(place.run / "driver")
    assert owner is not None
    os.killpg(owner.pid, signal.SIGTERM)
    wait_until(lambda: owner_here(place.run / "driver") is None, seconds=120)
    assert place.status()["state"] == "stopped"
    assert saved_trials(place)
    assert "stopping: terminated (SIGTERM)" in (place.run / "logs" / "driver.log").read_text()
