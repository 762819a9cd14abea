"""Runs whose trials end as a script says, driven without Ray, for tests of what is decided and recorded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fdt_core.provenance import versions
from fdt_core.results.writer import ResultsWriter
from lab.scripted_session import Script, scripted_session
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.run.backlog import Backlog
from orchestrator.run.ledger import Ledger
from orchestrator.run.recorder import Recorder
from orchestrator.run.report_rows import RowContext
from orchestrator.run.run_directory import RunDirectory
from orchestrator.trial.order import TrialOrder, TrialSettings


def drive_scripted_run(
    run: RunDirectory,
    plan: SweepPlan,
    text: str,
    found: Mapping[str, float],
    *,
    most: int = 10**6,
    order: int | None = None,
    reuse: Sequence[Path] = (),
) -> int:
    """Go on with a run without Ray, as its driver would: end at most `most` wanted trials; returns how many ended.

    Args:
        run: the run directory; it is made, and the plan frozen into it.
        plan: its plan.
        text: its sweep file.
        found: what each trial reaches, by its id; one without an accuracy fails.
        most: see above.
        order: trials end in a random order with this seed; None: in the order of the plan.
        reuse: runs whose rows are taken over first.
    """
    if not run.plan_file.exists():
        run.create()
    plan = replace(plan, keep="none")
    run.freeze(plan, text, {"overrides": [], "settings": {"data_directory": str(run.path / "no data")}})
    Script(accuracies=found, seconds=0.0).write(run.path)
    ledger = Ledger.read(run)
    context = RowContext(provenance=versions(), dataset_digests=dict.fromkeys(plan.datasets(), "digest"), device="cpu")
    recorder = Recorder(
        run, ResultsWriter(run.results), ledger, context, keep="none", sweep=plan.name, looks=plan.looks
    )
    recorder.reuse(plan.cells, reuse)
    backlog = Backlog(plan.cells, ledger, plan.looks, plan.tuning)
    recorder.decide(backlog.wanted.decisions(), all_of_them=True)
    shuffled, running, ended = random.Random(order), list[Cell](), 0
    while ended < most:
        while cell := backlog.next(whole_device=False):
            running.append(cell)
        if not running:
            break
        cell = running.pop(0 if order is None else shuffled.randrange(len(running)))
        trial = _order(run, cell, backlog)
        recorder.record(backlog.cells_of(cell.trial_id), scripted_session(trial, {}, None).advance())
        backlog.ended(cell.trial_id)
        recorder.decide(backlog.wanted.decisions(cell.trial_id))
        ended += 1
    recorder.tick(now=True)
    return ended


def _order(run: RunDirectory, cell: Cell, backlog: Backlog) -> TrialOrder:
    settings = TrialSettings(
        run_directory=str(run.path), data_directory="", device="cpu", checkpoint_interval=0.0, keep="none"
    )
    return TrialOrder(
        settings=settings,
        trial_id=cell.trial_id,
        spec=cell.spec.to_json(),
        attempt=backlog.attempt(cell.trial_id),
        dataset_digest="digest",
        until=backlog.wanted.until(cell.trial_id),
    )
