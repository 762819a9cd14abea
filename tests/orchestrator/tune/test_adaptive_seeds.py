"""Adaptive seeds through the whole engine: the same decisions and rows however trials arrive, and whatever dies."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from fdt_core.results.equality import run_differences
from lab.scripted_session import Script
from lab.sweeps import SWEEP, Place, driver_process, kill, wait_until
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.adaptive_plans import accuracies, adaptive_plan, recorded
from tests.orchestrator.tune.scripted_drivers import drive_scripted, drive_scripted_with_kills, run_on_slots

pytestmark = pytest.mark.engine


def test_decisions_and_rows_are_the_same_for_any_number_of_slots_and_order_of_arrival(tmp_path: Path) -> None:
    plan = adaptive_plan(tmp_path)
    first, *others = run_on_slots(plan, accuracies(plan), recorded)
    assert all(repr(other) == repr(first) for other in others)
    decisions, rows = first
    assert {row["verdict"] for row in decisions} >= {"superior", "inferior", "undecided"}
    assert len(rows) < len(plan.cells)
    last = {(row["variant"], row["template"]): row for row in decisions}
    assert sum(row["spared"] for row in last.values()) <= len(plan.cells) - len(rows)


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_any_moment_change_neither_decisions_nor_rows(tmp_path: Path, kills: int) -> None:
    plan = adaptive_plan(tmp_path)
    script = Script(accuracies=accuracies(plan), seconds=0.3)
    runs = [RunDirectory(tmp_path / name) for name in ("undisturbed", "killed")]
    for run in runs:
        run.create()
        script.write(run.path)
    sweep_file = tmp_path / "adaptive.yaml"
    drive_scripted(runs[0], sweep_file)
    drive_scripted_with_kills(runs[1], sweep_file, kills)
    assert repr(recorded(runs[1].results)) == repr(recorded(runs[0].results))


@pytest.mark.slow
def test_a_killed_sweep_on_real_data_ends_with_the_rows_and_decisions_of_an_undisturbed_one(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seeds = "seeds: {from: 3, to: 5, looks: [3, 5], until: {margin: 40.0}}"
    sweep = SWEEP.replace("seeds: 2", seeds).replace("epochs: 8", "epochs: 3")
    undisturbed = Place(directory=tmp_path_factory.mktemp("undisturbed"), data=place.data)
    for each in (place, undisturbed):
        each.sweep_file(sweep)
    assert "6 done, 0 diverged, 0 failed, 4 spared, 0 left of 10 trials" in undisturbed.launch()
    for done in (2, 4):
        launched = place.start()
        wait_until(partial(_has_done, place, done))
        kill(driver_process(launched))
        launched.communicate()
    place.launch()
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert repr(recorded(place.run / "results")) == repr(recorded(undisturbed.run / "results"))


def _has_done(place: Place, trials: int) -> bool:
    return int(place.status().get("progress", {}).get("done", 0)) >= trials
