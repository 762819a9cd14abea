"""`fdt-sweep status`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.damage import tell_damage
from orchestrator.cli.options import FormerPlans, Json, RunName, RunsDir, Verbose


def status(
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Repeat until the sweep ends; Ctrl-C leaves.")] = False,
    json_: Json = False,
    all_: FormerPlans = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Show how far a sweep is: counts, running trials with accuracy and time left, failures.

    Reads files alone, so it works from any machine that sees the run directory, and never writes.
    """
    import json
    import time

    from orchestrator.run_directory import find_run
    from orchestrator.status_text import is_under_way, run_status, status_text

    found = find_run(run, runs_dir)
    tell_damage(found.results)
    while True:
        now = run_status(found)
        typer.echo(json.dumps(now) if json_ else status_text(now, former=all_))
        if not follow or not is_under_way(now):
            return
        time.sleep(2.0)
