"""`fdt-sweep cancel`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json, RunName, RunsDir, Verbose


def cancel(
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """End a sweep: trials save their state, and its driver on this machine, or all its Slurm jobs, end.

    The same launch continues from there later.

    Examples:
      fdt-sweep cancel demo
      fdt-sweep cancel demo --yes
    """
    import json

    from cluster.slurm.files import SlurmFiles
    from cluster.slurm.queue.sweep_jobs import cancel_sweep
    from fdt_core.errors import UsageError
    from orchestrator.launch.detached import end_driver
    from orchestrator.run.driver_lease import owner_here
    from orchestrator.run.run_directory import find_run

    found = find_run(run, runs_dir)
    files = SlurmFiles(found.slurm)
    on_slurm, driver = files.launch.exists(), owner_here(found.driver)
    if on_slurm and driver and driver.slurm_job_id:
        driver = None  # it ends with its job
    if not on_slurm and not driver:
        _refuse_elsewhere(found.driver)
        print(json.dumps({"driver": None, "jobs": []}) if json_ else f"no driver is active on {found.path}")
        return
    if not yes and not sys.stdin.isatty():
        raise UsageError("cancel asks before it acts: give --yes if there is no terminal to ask on")
    if not yes:
        what = f"process {driver.pid}, the driver" if driver else "all jobs"
        typer.confirm(f"End {what} of {found.name}?", abort=True, err=True)
    if driver:
        end_driver(driver, say=_say)
    jobs = cancel_sweep(files, say=_say) if on_slurm else []
    if json_:
        print(json.dumps({"driver": driver.pid if driver else None, "jobs": jobs}))
        return
    if driver:
        print(f"ended process {driver.pid}; the same launch continues from there")
    if on_slurm:
        print(f"ended {len(jobs)} jobs: {', '.join(jobs)}" if jobs else "no job of this sweep was in the queue")


def _refuse_elsewhere(directory: Path) -> None:
    """Raise EnvironmentProblem if a driver is alive on another machine: its process cannot be reached from here."""
    from fdt_core.errors import EnvironmentProblem
    from orchestrator.run.driver_lease import live_owner

    if owner := live_owner(directory):
        raise EnvironmentProblem(f"the driver is not on this machine: {owner}; cancel the run there")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
