"""A tuned sweep for the tests: its plan, and what its candidates reach."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from fdt_core.results.tuning import TUNED, Score, Tuning
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.run_directory import RunDirectory

TUNED_SWEEP = """\
name: tuned
models: [vgg11]
width: 0.125
templates: [base, a, b]
datasets: [digits]
seeds: 2
recipe: {base: quick, epochs: 9}
tune:
  sample: {learning_rate: log(0.01, 0.5), trials: 9}
  halving: {factor: 3, first: 1}
"""
"""Of nine candidates, three go on after an epoch, and one after three. It has won then, and is not trained further."""

TPE_SWEEP = TUNED_SWEEP.replace("trials: 9", "trials: 9, sampler: tpe")
"""The same, but of each nine candidates, six are asked for by TPE, three at a time."""

BOTH_SAMPLERS = pytest.mark.parametrize("plan", [TUNED_SWEEP, TPE_SWEEP], ids=["random", "tpe"], indirect=True)
"""Tests of a run with each sampler."""


def tuned_plan(directory: Path, text: str = TUNED_SWEEP) -> SweepPlan:
    """The plan of the sweep, whose file is written into `directory`."""
    file = directory / "tuned.yaml"
    file.write_text(text)
    return plan_sweep(file)


def tuning_of(plan: SweepPlan) -> Tuning:
    """How the plan tunes."""
    assert plan.tuning is not None
    return plan.tuning


def final_accuracies(plan: SweepPlan, seed: int = 0) -> dict[str, float]:
    """What each trial reaches at its end, by its id."""
    return {cell.trial_id: random.Random(f"{seed} {cell.trial_id}").uniform(50, 99) for cell in plan.cells}


def rung_score(trial_id: str, accuracy: float, epoch: int) -> Score:
    """What the held-out images say after an epoch of a trial that reaches `accuracy` at its end."""
    error = random.Random(f"{trial_id} {epoch}").gauss(0.0, 30.0 / epoch)
    return Score(accuracy=accuracy + error, loss=1.0)


def tuning_cells(plan: SweepPlan) -> list[Cell]:
    """The cells of the candidates' trainings."""
    return [cell for cell in plan.cells if cell.stage == TUNED]


def trained(run: RunDirectory) -> pd.DataFrame:
    """The rows of `trials`."""
    return pd.read_parquet(run.results / "trials")
