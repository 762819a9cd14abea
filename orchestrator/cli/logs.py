"""`fdt-sweep logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Json, RunName, RunsDir, Verbose


def logs(
    run: RunName,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[TRIAL|JOB|head]", help="A trial's id, a Slurm job's id, or `head`.", show_default=False
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print what is added later; Ctrl-C stops.")] = False,
    runs_dir: RunsDir = None,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print a trial's log, or what a Slurm job printed. Without an argument, list the available logs.

    --json prints the list as an object of paths; a log itself is plain text.

    Examples:
      fdt-sweep logs demo
      fdt-sweep logs demo 3f6a1c09be22
      fdt-sweep logs demo head --follow
    """
    import json

    from fdt_core.errors import UsageError
    from orchestrator.run.run_directory import find_run
    from orchestrator.status.run_logs import find_log, print_log, run_logs

    if what is not None and json_:
        raise UsageError("a log is plain text: --json is only for the list of logs")
    found = find_run(run, runs_dir)
    if what is None:
        paths = {name: str(path) for name, path in run_logs(found).items()}
        lines = [json.dumps(paths, indent=1)] if json_ else [f"{name:16} {path}" for name, path in paths.items()]
        for line in lines:
            typer.echo(line)
        return
    print_log(find_log(found, what), typer.echo, follow=follow)
