"""The first half of a launch: what is refused, and what is frozen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fdt_core.errors import BudgetRefused, EnvironmentProblem, UsageError
from fdt_core.results.writer import ResultsWriter
from orchestrator.launch import LaunchSettings, freeze, refreeze
from orchestrator.plan import plan_sweep
from orchestrator.run_directory import RunDirectory
from tests.orchestrator.engine import SWEEP, Place, fdt_sweep


def freeze_at(place: Place, *, max_gpu_hours: float | None = None) -> RunDirectory:
    settings = LaunchSettings(data_directory=str(place.data))
    run, generation = freeze(
        place.directory / "small.yaml", runs_dir=place.run.parent, settings=settings, max_gpu_hours=max_gpu_hours
    )
    generation.release()
    return run


def test_the_frozen_plan_tells_where_it_comes_from(place: Place) -> None:
    run = freeze_at(place)
    frozen = run.plan_data()["provenance"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert frozen["git_commit"] in (head.stdout.strip(), None)
    assert "uncommitted_digest" in frozen
    assert {"code_version", "torch_version", "ray_version", "python_version"} <= frozen.keys()
    description = json.loads((place.data / "digits" / "dataset.json").read_text())
    assert frozen["dataset_digests"] == {"digits": description["digest"]}
    assert run.sweep_file.read_text() == SWEEP


def test_changing_the_sweep_file_afterwards_changes_nothing_that_runs(place: Place) -> None:
    run = freeze_at(place)
    before = run.plan()
    place.sweep_file(SWEEP.replace("seeds: 2", "seeds: 5"))
    assert run.plan() == before == plan_sweep(run.sweep_file)


def test_too_many_hours_are_refused_with_4_and_make_no_run(place: Place) -> None:
    options = ["--runs-dir", str(place.run.parent), "--data-dir", str(place.data), "--max-gpu-hours", "0"]
    shown = fdt_sweep("launch", str(place.directory / "small.yaml"), *options)
    assert shown.returncode == 4, shown.stderr
    assert "more than --max-gpu-hours 0 (vgg11: nothing measured in this run: assumed" in shown.stderr
    assert not place.run.exists()


def test_given_up_trials_are_no_part_of_the_budget(place: Place) -> None:
    run = freeze_at(place)
    cells = run.plan().cells
    store = ResultsWriter(run.results)
    crashed = {"attempt": 1, "status": "failed", "failure_kind": "crash"}
    store.append("trials", [{**cell.columns(), **crashed} for cell in cells[1:]])
    store.flush()
    with pytest.raises(BudgetRefused):
        freeze_at(place, max_gpu_hours=0.0)
    store.append("trials", [{**cells[0].columns(), **crashed}])
    store.flush()
    freeze_at(place, max_gpu_hours=0.0)


def test_an_unknown_kind_to_retry_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match=r"unknown failure kind 'ooom'.*did you mean 'oom'"):
        refreeze(freeze_at(place), retry="ooom")


def test_a_plan_that_another_version_wrote_is_refused(place: Place) -> None:
    run = freeze_at(place)
    data = run.plan_data()
    del data["trials"][0]["budget_rule"]
    run.plan_file.write_text(json.dumps(data))
    with pytest.raises(
        EnvironmentProblem, match="written by another version of fdt-sweep: launch the sweep file again"
    ):
        run.plan()
