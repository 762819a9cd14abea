"""A local sweep without a terminal: `launch --detach`, watched and ended from elsewhere."""

from __future__ import annotations

import json

import pandas as pd
import psutil
import pytest

from fdt_core.results.equality import run_differences
from lab.sweeps import Place, fdt_sweep, is_alive, wait_until
from orchestrator.run.driver_lease import owner_here

pytestmark = pytest.mark.engine


def test_a_detached_sweep_is_followed_and_its_output_kept(place: Place, undisturbed: Place) -> None:
    told = place.launch("--detach")
    owner = owner_here(place.run / "driver")
    assert owner is not None
    assert f"started: process {owner.pid}" in told
    assert psutil.Process(owner.pid).terminal() is None
    followed = fdt_sweep("status", str(place.run), "--follow")
    assert followed.returncode == 0, followed.stderr
    states = [line.split()[1] for line in followed.stdout.splitlines() if line.startswith("small: ")]
    assert states[0] == "running"
    assert states[-1] == "ended"
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert fdt_sweep("logs", str(place.run), "driver").stdout.count(" done  ") == 4
    assert "no driver is active" in fdt_sweep("cancel", str(place.run)).stdout
    assert json.loads(fdt_sweep("cancel", str(place.run), "--json").stdout) == {"driver": None, "jobs": []}


def test_cancel_ends_a_local_sweep_and_the_same_launch_goes_on(place: Place, undisturbed: Place) -> None:
    place.launch("--detach")
    wait_until(lambda: any(trial["epoch"] >= 1 for trial in place.status().get("running", [])))
    owner = owner_here(place.run / "driver")
    assert owner is not None
    family = psutil.Process(owner.pid).children(recursive=True)
    assert any(process.name() == "raylet" for process in family)
    unasked = fdt_sweep("cancel", str(place.run))
    assert unasked.returncode == 2
    assert "give --yes" in unasked.stderr
    told = fdt_sweep("cancel", str(place.run), "--yes", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {"driver": owner.pid, "jobs": []}
    assert place.status()["state"] == "stopped"
    assert not any(is_alive(process) for process in family)
    assert list((place.run / "checkpoints").glob("*/working-*.pt"))
    place.launch()
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert pd.read_parquet(place.run / "results" / "trials").interruptions.sum() >= 1


def test_a_detached_sweep_that_cannot_begin_says_so_at_once(place: Place) -> None:
    told = place.launch("--detach", "--set", "cluster.device=cuda", "--set", "cluster.gpus_per_node=0", expect=3)
    assert "this machine shows no GPU" in told
    assert "started" not in told


def test_detach_and_follow_exclude_each_other(place: Place) -> None:
    assert "either --detach or --follow" in place.launch("--detach", "--follow", expect=2)
