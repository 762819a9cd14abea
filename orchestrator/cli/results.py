"""`fdt-sweep results`: the tables of a run, printed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

RUNS_DIR = Annotated[
    Path, typer.Option("--runs-dir", envvar="FDT_RUNS_DIR", help="Folder of the run directories.", show_default=True)
]


def results(
    runs: Annotated[list[str] | None, typer.Argument(metavar="NAME_OR_DIR", help="Names of runs, or paths.")] = None,
    runs_dir: RUNS_DIR = Path("runs"),
    schema: Annotated[bool, typer.Option("--schema", help="Print the columns of the results.")] = False,
    accuracy: Annotated[str, typer.Option(help="final | best: of the last epoch, or of the best.")] = "final",
    rounding: Annotated[str, typer.Option(help="nearest | truncate | paper")] = "nearest",
    batch: Annotated[int, typer.Option(help="Batch size of the inference time: 1, 16 or 128.")] = 16,
) -> None:
    """Print the comparison of templates: accuracy over seeds, costs, differences to base."""
    if schema:
        typer.echo(_schema())
        return
    from analysis import load
    from analysis.cells import add_latency, outcomes, summarise
    from analysis.rounding import rounding as named_rounding
    from analysis.tables import comparison
    from analysis.text import as_text

    loaded = load(*(run_directory(run, runs_dir) for run in runs or []))
    cells = add_latency(summarise(outcomes(loaded, accuracy)), loaded.profiles, batch)
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((120, 40)).columns
    for table in comparison(cells, rounding=named_rounding(rounding)):
        typer.echo(as_text(table, width, bold) + "\n")
    for note in loaded.notes:
        typer.echo(note)


def run_directory(name: str, runs_dir: Path) -> Path:
    """The run directory of that name below `runs_dir`, or the path itself; UsageError with the nearest name."""
    from fdt_core.errors import UsageError, nearest_match

    for path in (runs_dir / name, Path(name)):
        if (path / "results").is_dir():
            return path
    known = sorted(path.parent.name for path in runs_dir.glob("*/results"))
    there = ", ".join(known) or "none"
    raise UsageError(f"no run {name!r} in {runs_dir}{nearest_match(name, known)} (runs there: {there})")


def _schema() -> str:
    """The columns of the three Parquet data sets, as text."""
    from analysis.table import Column, Entry, Table
    from analysis.text import as_text
    from fdt_core.results.columns import TABLES

    names = ("Column", "Type", "Unit", "Volatile", "Description")
    columns = tuple(Column(name=name, align="left") for name in names)
    texts = [
        Table(
            title=f"{table} (results/{table}/*.parquet)",
            columns=columns,
            rows=tuple(
                tuple(
                    Entry(parts=(text,))
                    for text in (c.name, c.type, c.unit, "yes" if c.volatile else "", c.description)
                )
                for c in schema
            ),
        )
        for table, schema in TABLES.items()
    ]
    return "\n\n".join(as_text(text, width=10_000) for text in texts)
