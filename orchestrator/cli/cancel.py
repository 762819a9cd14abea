"""`fdt-sweep cancel`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.options import RunName, RunsDir, Verbose


def cancel(
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """End a sweep that runs on Slurm: trials save their state, every job leaves, nothing stays behind.

    The same launch goes on later from there. A local sweep is ended by Ctrl-C where it runs.
    """
    from cluster.slurm_files import SlurmFiles
    from cluster.sweep_jobs import cancel_sweep
    from fdt_core.errors import UsageError
    from orchestrator.run_directory import find_run

    found = find_run(run, runs_dir)
    files = SlurmFiles(found.slurm)
    if not files.launch.exists():
        raise UsageError(f"{found.path} was not launched on Slurm; end a local sweep with Ctrl-C where it runs")
    if not yes and not sys.stdin.isatty():
        raise UsageError("cancel asks before it acts: give --yes where nobody can answer")
    if not yes:
        typer.confirm(f"End all jobs of {found.name}?", abort=True, err=True)
    jobs = cancel_sweep(files, say=lambda line: print(line, file=sys.stderr))
    print(f"ended {len(jobs)} jobs: {', '.join(jobs)}" if jobs else "no job of this sweep was in the queue")
