"""`fdt-sweep reproduce`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fdt_core.exit_codes import ExitCode
from orchestrator.cli.damage import tell_damage
from orchestrator.cli.options import DataDir, Json, RunName, RunsDir, Verbose


def reproduce(
    run: RunName,
    trial: Annotated[str, typer.Argument(metavar="TRIAL_ID", help="The trial, by the first letters of its id.")],
    runs_dir: RunsDir = None,
    data_dir: DataDir = None,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train one recorded trial again, in this process, and report whether it came out identical.

    Records nothing. Exit code 0 if every metric is the same to the bit, 1 if one differs.

    Example:
      fdt-sweep reproduce demo 3f6a1c
    """
    import json

    from fdt_core.datasets.info import data_directory
    from orchestrator.launch.reproduce import reproduce as run_again
    from orchestrator.launch.reproduce import reproduction_json, reproduction_text
    from orchestrator.run.run_directory import find_run

    recorded = find_run(run, runs_dir)
    tell_damage(recorded.results)
    found = run_again(
        recorded,
        trial,
        data_dir=data_directory(data_dir),
        say=lambda line: print(line, file=sys.stderr),
    )
    print(json.dumps(reproduction_json(found), indent=1, default=str) if json_ else reproduction_text(found))
    raise typer.Exit(ExitCode.DONE if found.identical else ExitCode.FAILED)
