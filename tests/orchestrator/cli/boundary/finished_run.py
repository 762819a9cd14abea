"""A finished run, the commands that read it, and what a command that ends with an error must print."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.records import (
    Demand,
    HeadRecord,
    HeadState,
    JobRecord,
    PoolRecord,
    Role,
    SlurmLaunch,
    WorkerRecord,
    WorkerState,
)
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.results.writer import ResultsWriter
from lab.sweeps import Place
from orchestrator.launch.prepare import checked, claim_run, new_launch
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.status.status_writer import StatusWriter

DOCUMENTED = (0, 1, 2, 3, 4, 75, 130)
SWEEP = """\
name: small
models: [vgg11]
width: 0.03125
templates: [base, c]
datasets: [digits]
seeds: 1
recipe: {base: quick, epochs: 1}
"""


def finished_run(directory: Path) -> Place:
    """A finished run, with a status, and the files of jobs that it once had on Slurm."""
    place = Place(directory=directory, data=directory / "data")
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    launch = new_launch(place.sweep_file(SWEEP), runs_dir=place.run.parent, settings=settings)
    launch, run = checked(launch, load_profile("local")), launch.run
    run.create()
    launch.freeze()
    lease, cells = claim_run(run), launch.plan.cells
    done = {"attempt": 1, "status": "done", "dataset_digest": prepared_digest("digits", place.data)}
    store = ResultsWriter(run.results)
    store.append("trials", [cell.columns() | done | {"final_test_accuracy": 50.0} for cell in cells])
    curve = [
        {"attempt": 1, "epoch": epoch, "test_accuracy": 50.0} for epoch in range(1, cells[0].spec.recipe.epochs + 1)
    ]
    store.append(
        "epochs", [{"trial_id": trial_id, **row} for trial_id in {cell.trial_id for cell in cells} for row in curve]
    )
    store.flush()
    driver = DriverPlace(pid=os.getpid(), host="here", generation=lease.number)
    StatusWriter(status_file=run.status_file, running_file=run.running_file, driver=driver, beat=lease.beat).write(
        _progress(len(cells)), state="ended"
    )
    lease.release()
    _write_slurm_files(SlurmFiles(run.slurm))
    return place


def _progress(done: int) -> Any:
    from orchestrator.run.backlog import Progress

    return Progress(done=done, diverged=0, failed=0, held_back=0, total=done)


def _write_slurm_files(files: SlurmFiles) -> None:
    files.create()
    write_record(
        files.head,
        HeadRecord(state=HeadState.CLOSED, job_id="7", host="n1", why="the driver has ended", written_at=1.0),
    )
    write_record(files.demand, Demand(slots=0, per_worker=(1,)))
    write_record(files.pool, PoolRecord(written_at=1.0))
    worker = WorkerRecord(
        job_id="8",
        slurm_job_id="8",
        host="n1",
        node="n1",
        state=WorkerState.ENDED,
        started_at=1.0,
        beat=3,
        written_at=2.0,
    )
    write_record(files.worker("8"), worker)
    files.record_jobs([JobRecord(job_id=job, role=Role.WORKER, name="w", submitted_at=1.0) for job in ("8", "9")])
    launch = SlurmLaunch(
        sweep="small", job_name="fdt-s", profiles=(load_profile("slurm"),), head_command=("python",), fingerprint={}
    )
    write_record(files.launch, launch)


def copied(finished: Place, directory: Path) -> Place:
    """A copy of the finished run, in place of a former one."""
    copy = Place(directory=directory, data=finished.data)
    shutil.rmtree(copy.run, ignore_errors=True)
    shutil.copytree(finished.run, copy.run)
    copy.sweep_file(SWEEP)
    return copy


def commands(place: Place) -> dict[str, list[str]]:
    """Every command that reads a run, so that it trains nothing where all is well."""
    run, root, data = str(place.run), ["--runs-dir", str(place.run.parent)], ["--data-dir", str(place.data)]
    return {
        "status": ["status", run],
        "status --json": ["status", run, "--json"],
        "logs": ["logs", run],
        "gc": ["gc", run, "--yes"],
        "cancel": ["cancel", run, "--yes"],
        "results": ["results", run],
        "results --table cells": ["results", run, "--table", "cells"],
        "retry": ["retry", run],
        "drive": ["drive", run],
        "launch": ["launch", str(place.directory / "small.yaml"), "--no-profile", *root, *data],
        "plan": ["plan", str(place.directory / "small.yaml"), *root, *data],
    }


def assert_told_in_one_line(command: str, status: int, stderr: str) -> None:
    lines = [line for line in stderr.splitlines() if line.startswith("fdt-sweep: ")]
    assert status in DOCUMENTED, (command, status, stderr)
    assert "Traceback" not in stderr, (command, stderr)
    assert "error: unexpected" not in stderr, (command, stderr)
    assert len(lines) == (1 if status in (2, 3) else 0), (command, status, stderr)
    assert len(stderr.splitlines()) <= 4, (command, stderr)
