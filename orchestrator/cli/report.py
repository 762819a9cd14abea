"""`fdt-sweep report`: the results of a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.results import RUNS_DIR, run_directory


def report(
    run: Annotated[str, typer.Argument(metavar="NAME_OR_DIR", help="Name of a run, or its path.")],
    runs_dir: RUNS_DIR = Path("runs"),
) -> None:
    """Write the results of a run as one HTML file and print its path."""
    from analysis import load
    from analysis.report import write_report

    path = run_directory(run, runs_dir)
    typer.echo(write_report(load(path), path / "report" / "index.html"))
