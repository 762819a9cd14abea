"""The state of a run, told from files alone: what is done, what runs, what failed, and whether the driver lives."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.slurm.queue.slurm_commands import QueuedJob
from fdt_core.error_text import failure_signature
from fdt_core.files.json_file import DamagedFile
from fdt_core.quantities import about
from fdt_core.results.keys import CELL_KEY, cell_key, trial_label
from fdt_core.results.planned import left_out
from fdt_core.results.reader import read_table
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.backlog import Backlog
from orchestrator.run.driver_lease import newest_generation, owner_here, owner_is_gone
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.slurm_status import is_over, slurm_lines, slurm_status
from orchestrator.trial.outcome import FINISHED

SILENT_SECONDS = 30.0
"""A driver writes its status about once a second; after so long without, people are told."""


def run_status(run: RunDirectory, jobs: Sequence[QueuedJob] | None = None) -> dict[str, Any]:
    """The state of `run` as plain data; `status --json` prints it. `jobs` are those in Slurm's queue, where known.

    Keys: run, sweep, state (new | waiting | starting | running | stopping | stopped | ended), silent_seconds (since the
    driver last wrote, None when it is not at work), progress (counts of cells), cells (counts by model, template and
    data set), running, failures (count by signature), former (rows that the plan does not ask for: how many, and their
    counts by model, template, data set and status), driver, driver_is_gone (true where this machine can tell), slurm
    (head and workers; None for a local run), notes (what could not be read, a line each).
    """
    plan, ledger, notes = run.plan(), Ledger.read(run), []
    try:
        status = run.status()
    except DamagedFile as problem:  # the rows say how far the sweep is
        status, notes = {}, [str(problem)]
    planned, former = _rows(run, plan)
    cells: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for cell in plan.cells:
        record = ledger.record(cell.trial_id)
        state = "left" if record.state is TrialState.WAITING else record.state
        cells[cell.spec.model, cell.template, cell.spec.dataset][state] += 1
    progress = Backlog(plan.cells, ledger).progress()
    starts = _starts(run, status)
    at_work = status.get("state") in ("running", "stopping") and not starts
    slurm = slurm_status(run, jobs)
    silent = _age(status) if at_work else None
    if slurm is not None and silent is not None and silent < SILENT_SECONDS:
        slurm["head_trouble"] = None  # the driver is heard: this machine's Slurm does not know its job
    waits_for_slurm = slurm is not None and not at_work and not is_over(slurm)
    return {
        "run": str(run.path),
        "sweep": plan.name,
        "state": "waiting" if waits_for_slurm else "starting" if starts else status.get("state", "new"),
        "silent_seconds": silent,
        "progress": asdict(progress) | {"left": progress.left},
        "cells": [
            {"model": model, "template": template, "dataset": dataset, **counts}
            for (model, template, dataset), counts in cells.items()
        ],
        "running": status.get("running", []) if at_work else [],
        "failures": _failures(planned),
        "former": _former(former),
        "driver": status.get("driver"),
        "driver_is_gone": at_work and owner_is_gone(run.driver),
        "slurm": slurm,
        "notes": notes,
    }


def is_under_way(status: Mapping[str, Any]) -> bool:
    """Whether more is to be expected: the sweep waits, starts or runs, and its driver is not known to be dead.

    On Slurm a dead driver means little, for the head's job may be requeued: the head itself says when all is over.
    """
    slurm = status["slurm"]
    ended = status["driver_is_gone"] if slurm is None else is_over(slurm)
    return status["state"] in ("waiting", "starting", "running", "stopping") and not ended


def status_text(status: Mapping[str, Any], *, former: bool = False) -> str:
    """The status as people read it; with `former`, also what the rows of former plans are."""
    return "\n".join([*_lines(status), *_former_lines(status["former"], shown=former)])


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    progress = status["progress"]
    yield f"{status['sweep']}: {status['state']}  ({status['run']})"
    yield (
        f"  {progress['done']} done, {progress['diverged']} diverged, {progress['failed']} failed, "
        f"{progress['left']} left of {progress['total']}"
    )
    if progress["held_back"]:
        yield (
            f"  {progress['held_back']} held back: every trial of their model and template failed; "
            f"mend it, then: fdt-sweep retry {shlex.quote(status['run'])}"
        )
    yield from _driver_lines(status)
    yield from _cell_lines(status["cells"])
    if status["slurm"] is not None:
        yield from slurm_lines(status["slurm"])
    for trial in status["running"]:
        yield "  " + _running_line(trial)
    for signature, count in status["failures"].items():
        yield f"  {count} x {signature}"
    for note in status["notes"]:
        yield f"  {note}"


def _driver_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Whether the driver is dead, or perhaps only slow."""
    driver, silent = status["driver"], status["silent_seconds"]
    if status["driver_is_gone"]:
        yield f"  the driver (process {driver['pid']} on {driver['host']}) has died: launch again, and it goes on"
    elif silent is not None and silent > SILENT_SECONDS:
        yield f"  the driver (process {driver['pid']} on {driver['host']}) has been silent for {silent:.0f} s;"
        yield "  if it is gone, launch again: it goes on from the results and checkpoints"


def _cell_lines(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """For each model and data set, how many trials of each template have ended."""
    groups: dict[str, list[str]] = defaultdict(list)
    for cell in cells:
        ended = sum(cell.get(name, 0) for name in (*FINISHED, "failed"))
        failed = f" ({cell['failed']} failed)" if cell.get("failed") else ""
        name = f"{cell['model']} {cell['dataset']}"
        groups[name].append(f"{cell['template']} {ended}/{ended + cell.get('left', 0)}{failed}")
    for name, counts in sorted(groups.items()):
        yield f"  {name}:  " + "  ".join(sorted(counts))


def _running_line(trial: Mapping[str, Any]) -> str:
    parts = [trial["trial_id"], trial_label(trial), f"epoch {trial['epoch']}/{trial['epochs']}"]
    if trial["test_accuracy"] is not None:
        parts.append(f"{trial['test_accuracy']:.2f} %")
    if trial["images_per_second"] is not None:
        parts.append(f"{trial['images_per_second']:.0f} images/s")
    if trial["eta_seconds"] is not None:
        parts.append(f"{about(trial['eta_seconds'])} left")
    return "  ".join([*parts, trial["host"]])


def _starts(run: RunDirectory, status: Mapping[str, Any]) -> bool:
    """Whether a driver lives on this machine that has not written its first status yet."""
    if owner_here(run.driver) is None:
        return False
    return newest_generation(run.driver) != status.get("driver", {}).get("generation")


def _rows(run: RunDirectory, plan: SweepPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of planned cells, and those of former plans."""
    columns = (*CELL_KEY, "status", "failure_kind", "error")
    wanted = {cell.key for cell in plan.cells}
    planned: list[dict[str, Any]] = []
    former: list[dict[str, Any]] = []
    for row in read_table(run.results, "trials", columns).rows.to_pylist():
        (planned if cell_key(row) in wanted else former).append(row)
    return planned, former


def _former(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter((row["model"], row["template"], row["dataset"], row["status"]) for row in rows)
    return {
        "rows": len(rows),
        "counts": [
            {"model": model, "template": template, "dataset": dataset, "status": status, "rows": count}
            for (model, template, dataset, status), count in sorted(counts.items())
        ],
    }


def _former_lines(former: Mapping[str, Any], *, shown: bool) -> Iterator[str]:
    if former["rows"] and not shown:
        yield f"  {left_out(former['rows'])}"
    for count in former["counts"] if shown else ():
        name = f"{count['model']} {count['template']} {count['dataset']}"
        yield f"  former plan, counted nowhere: {name}:  {count['rows']} {count['status']}"


def _failures(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Failed attempts counted by their signature."""
    failed = [row for row in rows if row["status"] == "failed"]
    return dict(Counter(f"{row['failure_kind']}: {failure_signature(row['error'])}" for row in failed))


def _age(status: Mapping[str, Any]) -> float:
    age: timedelta = datetime.now(UTC) - status["written_at"]
    return age.total_seconds()
