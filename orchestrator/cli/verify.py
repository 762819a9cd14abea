"""`fdt-sweep verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fdt_core.exit_codes import ExitCode
from orchestrator.cli.options import Json, RunName, RunsDir, Verbose
from orchestrator.cli.results import paths_of


def verify(
    run: RunName,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="Where prepared data is. Default: where the last launch found it.", show_default=False
        ),
    ] = None,
    json_: Json = False,
    runs_dir: RunsDir = None,
    verbose: Verbose = False,
) -> None:
    """Check everything in a run directory, and report how to fix each problem. Writes nothing.

    Checked are the tables and every row, the plan and the sweep file, what drivers left, the checksums of checkpoints,
    the weights that `keep` promises, and the prepared data. Exit code 0 if all is well, 3 if not.

    Examples:
      fdt-sweep verify demo
      fdt-sweep verify demo --json
    """
    import json
    from dataclasses import asdict

    from orchestrator.maintenance.verification import verification_lines, verify_run
    from orchestrator.run.run_directory import RunDirectory

    (path,) = paths_of([run], runs_dir)
    found = verify_run(RunDirectory(Path(path)), data_dir)
    if json_:
        typer.echo(json.dumps({"run": path, **asdict(found)}, indent=1, default=str))
    else:
        typer.echo("\n".join(verification_lines(found)))
    if found.problems:
        raise typer.Exit(ExitCode.PROBLEM)
