"""What `plan` shows: axes, exclusions, what is done, what the rest will take, each network with its cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fdt_core.results.writer import ResultsWriter
from orchestrator.launch.prepare import new_launch
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.launch_record import Launch, LaunchSettings
from orchestrator.status.plan_text import plan_json, plan_text

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    settings = LaunchSettings(data_directory=str(tmp_path))
    overrides = ["exclude=[{model: vgg19, template: e}]"]
    return new_launch(DEMO, runs_dir=tmp_path, overrides=overrides, settings=settings)


def rows(plan: SweepPlan) -> list[dict[str, Any]]:
    """One done trial, one given up, one that waits for its retry."""
    done = {**plan.cells[0].columns(), "attempt": 1, "status": "done", "train_seconds": 10.0, "images_per_second": 1e3}
    failed = {**plan.cells[1].columns(), "attempt": 1, "status": "failed", "failure_kind": "crash"}
    once = {**plan.cells[2].columns(), "attempt": 1, "status": "failed", "failure_kind": "error"}
    return [done, failed, once]


def test_a_new_plan_shows_trials_per_axis_and_what_is_excluded(launch: Launch) -> None:
    text = plan_text(launch)
    assert "sweep demo: 22 trials" in text
    assert "model     resnet50 (12), vgg19 (10)" in text
    assert "excluded  2 trials by {model: vgg19, template: e}" in text
    assert "done      0, failed 0, to run 22" in text
    assert "to be seen in 22 trainings" in text
    assert "assumed" in text
    assert "of weights kept, and" in text
    for cell in launch.plan.cells:
        assert f"{cell.cost.params:,}" in text


def test_what_is_done_and_given_up_is_taken_off(launch: Launch) -> None:
    plan = launch.plan
    store = ResultsWriter(launch.run.results)
    store.append("trials", rows(plan))
    store.flush()
    text = plan_text(launch)
    assert "done      1, failed 1, to run 20" in text
    assert "measured in this run" in text
    data = json.loads(json.dumps(plan_json(launch)))
    assert data["progress"] == {"done": 1, "failed": 1, "left": 20}
    assert data["estimate"]["trials"] == 20
    assert data["estimate"]["images"] == sum(plan.cells[index].images_to_see for index in range(2, 22))
    assert data["excluded"] == [{"rule": {"model": "vgg19", "template": "e"}, "cells": 2}]
