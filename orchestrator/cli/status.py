"""`fdt-sweep status`."""

from __future__ import annotations

from typing import Annotated

import typer

from fdt_core.exit_codes import ExitCode
from orchestrator.cli.damage import tell_damage
from orchestrator.cli.options import FormerPlans, Json, RunsDir, Verbose


def status(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run: its name, or the path of its directory. Without one: all runs.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Repeat until the sweep ends; Ctrl-C stops.")] = False,
    json_: Json = False,
    all_: FormerPlans = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Show how far a sweep is: counts, running trials with accuracy and time left, failures. Without RUN: all runs.

    Reads only files, so it works on any machine that sees the run directory, and never writes. If squeue is available,
    it is asked why jobs wait. With --follow, exit code 3 means that the head's job is gone or will never start.

    Examples:
      fdt-sweep status
      fdt-sweep status demo
      fdt-sweep status demo --follow
    """
    import json
    import time

    from cluster.slurm.files import SlurmFiles
    from cluster.slurm.queue.queue_monitor import QueueMonitor
    from fdt_core.errors import UsageError
    from fdt_core.results.run_lookup import runs_root
    from orchestrator.run.run_directory import find_run
    from orchestrator.status.run_list import list_runs, runs_json, runs_text
    from orchestrator.status.run_status import run_status
    from orchestrator.status.status_text import status_text

    if run is None:
        if follow:
            raise UsageError("name the run to follow, such as: fdt-sweep status demo --follow")
        root = runs_root(runs_dir)
        runs = list_runs(root)
        typer.echo(json.dumps(runs_json(runs), indent=1) if json_ else runs_text(runs, root))
        return
    found = find_run(run, runs_dir)
    tell_damage(found.results)
    queue = QueueMonitor(SlurmFiles(found.slurm))
    while True:
        now = run_status(found, queue.jobs())
        typer.echo(json.dumps(now.to_json()) if json_ else status_text(now, former=all_))
        if not follow or not now.is_under_way:
            return
        if now.slurm and now.slurm.head_trouble and queue.verdict():
            raise typer.Exit(ExitCode.PROBLEM)
        time.sleep(2.0)
