"""A sweep with adaptive seeds for the tests: its plan, what its trials reach, and what is recorded of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.scripted_runs import drive_scripted_run

ADAPTIVE = """\
name: adaptive
models: [vgg11]
width: 0.125
templates: [base, a, b, c, d]
datasets: [digits]
vary: {learning_rate: [0.1, 0.2]}
seeds: {from: 3, to: 9, looks: [3, 5, 9], until: {margin: 1.0}}
recipe: {base: quick, epochs: 1}
"""

EFFECTS = {"base": 0.0, "a": 6.0, "b": -8.0, "c": -0.9, "d": 1.5}
"""True differences to base in points: `a` and `b` are settled early, `c` hardly ever."""


def adaptive_plan(directory: Path, text: str = ADAPTIVE) -> SweepPlan:
    """The plan of the sweep, whose file is written into `directory`."""
    file = directory / "adaptive.yaml"
    file.write_text(text)
    return plan_sweep(file)


def accuracies(plan: SweepPlan, *, spread: float = 0.4, seed: int = 0) -> dict[str, float]:
    """What each trial reaches, by its id: the effect of its template, and a random error."""
    return {
        cell.trial_id: 90.0 + EFFECTS[cell.template] + random.Random(f"{seed} {cell.trial_id}").gauss(0.0, spread)
        for cell in plan.cells
    }


def recorded(results: Path) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The decisions without their time, in one order, and the accuracies of all done trials."""
    decisions = pd.read_parquet(results / "decisions").drop(columns=["decided_at"])
    rows = pd.read_parquet(results / "trials")
    done = rows[rows["status"] == "done"]
    assert not done["trial_id"].duplicated().any()
    ordered = decisions.sort_values(["variant", "template", "look"]).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in ordered], dict(
        sorted(zip(done["trial_id"], done["final_test_accuracy"], strict=True))
    )


def drive(
    run: RunDirectory, plan: SweepPlan, found: Mapping[str, float], *, most: int = 10**6, order: int | None = None
) -> int:
    """Drive a run of the sweep: see `tests.orchestrator.scripted_runs`."""
    return drive_scripted_run(run, plan, ADAPTIVE, found, most=most, order=order)
