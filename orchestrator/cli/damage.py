"""The warnings of all commands that read a run whose results are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from fdt_core.results.reader import PartReader


def tell_damage(results: Path, part_reader: PartReader | None = None) -> None:
    """Print on stderr what is wrong with a run's `results`, one line for each problem."""
    from fdt_core.results.damage import find_damage
    from fdt_core.results.reader import read_part

    for problem in find_damage(results, part_reader or read_part):
        typer.echo(f"warning: {problem}", err=True)
