"""A sweep that is killed anywhere and launched again ends with the rows of an undisturbed one."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess

import pandas as pd
import pytest

from fdt_core.results.equality import done_rows, run_differences
from lab.sweeps import (
    Place,
    actors,
    descendants,
    driver_process,
    is_alive,
    kill,
    saved_trials,
    wait_until,
)

pytestmark = pytest.mark.engine


def resumed_trials(place: Place) -> int:
    """Done trials that were interrupted, and went on from a checkpoint."""
    return int(pd.read_parquet(place.run / "results" / "trials").interruptions.ge(1).sum())


def test_a_sweep_gives_one_done_row_per_cell_and_seed(undisturbed: Place) -> None:
    trials = pd.read_parquet(undisturbed.run / "results" / "trials")
    assert sorted(zip(trials.template, trials.seed, trials.status, strict=True)) == [
        ("base", 0, "done"),
        ("base", 1, "done"),
        ("c", 0, "done"),
        ("c", 1, "done"),
    ]
    epochs = pd.read_parquet(undisturbed.run / "results" / "epochs")
    assert (epochs.groupby("trial_id").epoch.apply(list).map(tuple) == tuple(range(1, 9))).all()
    assert trials.final_test_accuracy.gt(50).all()
    assert trials.interruptions.eq(0).all()
    first, second = (trials[trials.seed == seed].started_at for seed in (0, 1))
    assert first.max() <= second.min(), "every cell gets its first seed before any gets its second"


def test_a_finished_sweep_launched_again_does_nothing_and_says_so(undisturbed: Place) -> None:
    before = {path: path.stat().st_mtime_ns for path in (undisturbed.run / "results").rglob("*.parquet")}
    output = undisturbed.launch()
    assert "nothing to do: 4 of 4 trials are done" in output
    assert {path: path.stat().st_mtime_ns for path in (undisturbed.run / "results").rglob("*.parquet")} == before


def test_when_the_training_is_over_each_network_is_measured_once(place: Place, undisturbed: Place) -> None:
    shutil.copytree(undisturbed.run, place.run)
    output = place.launch("--profile")
    assert "measuring the speed of 2 networks" in output
    profiles = pd.read_parquet(place.run / "results" / "profiles")
    assert sorted(profiles.template) == ["base", "c"]
    assert profiles.latency_ms_b16_median.gt(0).all()
    assert "nothing to do" in place.launch("--profile")


def test_killed_actor_and_killed_driver_leave_equal_rows(place: Place, undisturbed: Place) -> None:
    launched = place.start()
    wait_until(lambda: any(trial["epoch"] >= 1 for trial in place.status().get("running", [])))
    kill(actors(launched)[0])  # which is right in a trial
    wait_until(lambda: place.status().get("progress", {}).get("done", 0) >= 1)
    begun = descendants(launched)
    assert {"raylet", "gcs_server"} <= {process.name() for process in begun}
    kill(driver_process(launched))
    launched.communicate()
    assert launched.returncode == -signal.SIGKILL
    wait_until(lambda: not any(is_alive(process) for process in begun), seconds=30)

    done_before = len(done_rows(place.run / "results"))
    assert 1 <= done_before < 4
    output = place.launch()
    assert output.count(" done  ") == 4 - done_before
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert resumed_trials(place) >= 1


def test_one_interrupt_saves_and_exits_with_75(place: Place, undisturbed: Place) -> None:
    launched = place.start()
    wait_until(lambda: any(trial["epoch"] >= 1 for trial in place.status().get("running", [])))
    driver_process(launched).send_signal(signal.SIGINT)
    output, _ = launched.communicate(timeout=90)
    assert launched.returncode == 75, output
    assert saved_trials(place)
    place.launch()
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert resumed_trials(place) >= 1


@pytest.mark.slow
def test_two_interrupts_stop_at_once_with_130(place: Place, undisturbed: Place) -> None:
    launched = place.start()
    wait_until(lambda: any(trial["epoch"] >= 1 for trial in place.status().get("running", [])))
    suspended = actors(launched)
    assert suspended
    for actor in suspended:
        actor.suspend()  # so that they cannot save and leave before the second interrupt
    driver_process(launched).send_signal(signal.SIGINT)
    wait_until(lambda: place.status()["state"] == "stopping")
    driver_process(launched).send_signal(signal.SIGINT)
    output, _ = launched.communicate(timeout=60)
    assert launched.returncode == 130, output
    assert "stopped at once; launch again" in output
    place.launch()
    assert run_differences(place.run / "results", undisturbed.run / "results") == []


def test_a_second_driver_is_refused_and_told_of_the_first(place: Place) -> None:
    launched = place.start()
    wait_until(lambda: place.status().get("running"))
    output = place.launch(expect=3)
    assert f"another driver is running this sweep: process {driver_process(launched).pid}" in output
    driver_process(launched).send_signal(signal.SIGINT)
    launched.communicate(timeout=90)


def test_a_launch_tells_scripts_what_it_did_on_stdout_alone(place: Place) -> None:
    command = place.command("--json", "--set", "seeds=1", "--set", "epochs=1", "--set", "templates=[base]")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["run"], told["action"], told["exit_code"]) == (str(place.run), "ran", 0)
    assert told["progress"] == {
        "done": 1,
        "diverged": 0,
        "failed": 0,
        "held_back": 0,
        "spared": 0,
        "may_follow": 0,
        "stopped": 0,
        "pending": 0,
        "total": 1,
        "left": 0,
    }
    assert " done  " in ended.stderr
