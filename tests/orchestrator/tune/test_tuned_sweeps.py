"""Tuned sweeps through the whole engine: the same rows however trials arrive, and whatever dies."""

from __future__ import annotations

import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fdt_core.results.equality import run_differences
from lab.scripted_session import Script
from lab.sweeps import SWEEP, Place, driver_process, kill, wait_until
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.tune.scripted_drivers import drive_scripted, drive_scripted_with_kills, run_on_slots
from tests.orchestrator.tuned_plans import final_accuracies, tuned_plan

pytestmark = pytest.mark.engine


def endings(results: Path) -> list[tuple[Any, ...]]:
    """Every row that ends an attempt, without what may differ between two correct runs, in one order."""
    rows = pd.read_parquet(results / "trials")
    kept = rows[["trial_id", "stage", "candidate", "status", "epochs_trained", "final_test_accuracy"]]
    scores = rows["rung_accuracies"].map(lambda each: None if each is None else tuple(each))
    frame = kept.assign(scores=scores).sort_values(["trial_id", "epochs_trained"])
    return [tuple(each) for each in frame.itertuples(index=False)]


def test_rows_are_the_same_for_any_number_of_slots_and_order_of_arrival(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    first, *others = run_on_slots(plan, final_accuracies(plan), endings)
    assert all(repr(other) == repr(first) for other in others)
    assert Counter((row[1], row[3]) for row in first) == {("tuning", "stopped"): 3 * (9 + 3), ("comparison", "done"): 6}


@pytest.mark.slow
def test_kills_at_five_moments_change_no_row(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path)
    script = Script(accuracies=final_accuracies(plan), seconds=0.3)
    runs = [RunDirectory(tmp_path / name) for name in ("undisturbed", "killed")]
    for run in runs:
        run.create()
        script.write(run.path)
    drive_scripted(runs[0], tmp_path / "tuned.yaml")
    drive_scripted_with_kills(runs[1], tmp_path / "tuned.yaml", kills=5)
    assert repr(endings(runs[1].results)) == repr(endings(runs[0].results))


TUNE = """\
tune:
  sample: {learning_rate: log(0.01, 0.3), trials: 4}
  halving: {factor: 2, first: 1}
"""


@pytest.mark.slow
def test_a_killed_sweep_on_real_data_ends_with_the_rows_of_an_undisturbed_one_and_keeps_only_what_was_compared(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sweep = SWEEP.replace("learning_rate: 0.1, ", "").replace("epochs: 8", "epochs: 4") + TUNE
    undisturbed = Place(directory=tmp_path_factory.mktemp("undisturbed"), data=place.data)
    for each in (place, undisturbed):
        each.sweep_file(sweep)
    assert "stopped by tuning, 0 left" in undisturbed.launch()
    for ended in (1, 5):
        launched = place.start()
        wait_until(partial(_has_rows, place, ended))
        kill(driver_process(launched))
        launched.communicate()
    place.launch()
    assert run_differences(place.run / "results", undisturbed.run / "results") == []
    assert repr(endings(place.run / "results")) == repr(endings(undisturbed.run / "results"))
    compared = {row[0] for row in endings(place.run / "results") if row[1] == "comparison"}
    assert {path.name for path in (place.run / "checkpoints").iterdir()} == compared
    shutil.rmtree(undisturbed.run)


def _has_rows(place: Place, count: int) -> bool:
    parts = list((place.run / "results" / "trials").glob("*.parquet"))
    return sum(len(pd.read_parquet(part)) for part in parts) >= count
