"""The warnings of all commands that read a run whose results are damaged."""

from __future__ import annotations

from pathlib import Path

import typer

from fdt_core.results.reader import PartReader, read_part


def tell_damage(results: Path, part_reader: PartReader = read_part) -> None:
    """Print on stderr what is wrong with a run's `results`, one line for each problem."""
    from fdt_core.results.damage import find_damage

    for problem in find_damage(results, part_reader):
        typer.echo(f"warning: {problem}", err=True)
