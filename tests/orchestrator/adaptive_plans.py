"""A sweep with adaptive seeds for the tests: its plan, what its trials reach, and what is recorded of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from fdt_core.provenance import versions
from fdt_core.results.writer import ResultsWriter
from fdt_core.trial.history import EpochRecord, TrainingResult
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.backlog import Backlog
from orchestrator.run.ledger import Ledger
from orchestrator.run.recorder import Recorder
from orchestrator.run.report_rows import RowContext
from orchestrator.run.run_directory import RunDirectory
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport

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
    """Go on with a run without Ray, as its driver would: end at most `most` wanted trials; returns how many ended.

    Args:
        run: the run directory; it is made, and the plan frozen into it.
        plan: its plan.
        found: what each trial reaches, by its id; one without an accuracy fails.
        most: see above.
        order: trials end in a random order with this seed; None: in the order of the plan.
    """
    if not run.plan_file.exists():
        run.create()
    run.freeze(
        replace(plan, keep="none"),
        ADAPTIVE,
        {"overrides": [], "settings": {"data_directory": str(run.path / "no data")}},
    )
    ledger = Ledger.read(run)
    context = RowContext(provenance=versions(), dataset_digests=dict.fromkeys(plan.datasets(), "digest"), device="cpu")
    recorder = Recorder(
        run, ResultsWriter(run.results), ledger, context, keep="none", sweep=plan.name, looks=plan.looks
    )
    backlog = Backlog(plan.cells, ledger, plan.looks)
    recorder.decide(backlog.wanted.decisions(), all_of_them=True)
    shuffled, running, ended = random.Random(order), list[Cell](), 0
    while ended < most:
        while cell := backlog.next(whole_device=False):
            running.append(cell)
        if not running:
            break
        cell = running.pop(0 if order is None else shuffled.randrange(len(running)))
        recorder.record((cell,), _report(cell, found.get(cell.trial_id), backlog.attempt(cell.trial_id)))
        backlog.ended(cell.trial_id)
        recorder.decide(backlog.wanted.decisions(cell.trial_id))
        ended += 1
    recorder.tick(now=True)
    return ended


def _report(cell: Cell, accuracy: float | None, attempt: int) -> TrialReport:
    """The last report of a trial of one epoch."""
    failed = accuracy is None
    record = EpochRecord(
        epoch=1,
        train_loss=1.0,
        train_accuracy=90.0,
        test_loss=1.0,
        test_accuracy=accuracy,
        validation_loss=None,
        validation_accuracy=None,
        learning_rate=0.1,
        seconds=1.0,
        images_per_second=1000.0,
    )
    result = TrainingResult(
        status="done",
        history=(record,),
        peak_memory_mb=1.0,
        train_seconds=1.0,
        device_name="cpu",
        devices=("cpu",),
        interruptions=0,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return TrialReport(
        trial_id=cell.trial_id,
        attempt=attempt,
        place=ProcessLocation(hostname="node7", pid=1, slurm_job_id=None),
        outcome=Outcome.ERROR if failed else Outcome.DONE,
        error="scripted" if failed else None,
        epochs=() if failed else (record,),
        result=None if failed else result,
    )
