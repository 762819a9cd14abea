"""Where a run's results are stored: a directory for each table, with numbered parts in it."""

from __future__ import annotations

import re
from pathlib import Path

PART_ROWS = 100_000
"""A part that has reached this many rows is never written again."""

QUARANTINE = "quarantine"
"""The folder of `results` to which a launch moves damaged parts."""

_PART = re.compile(r"part-[0-9]{6,}\.parquet")


def table_directory(results: Path, table: str) -> Path:
    """The directory that holds the parts of `table`."""
    return results / table


def part_path(results: Path, table: str, number: int) -> Path:
    """The file of part `number`, counted from 0."""
    return table_directory(results, table) / f"part-{number:06d}.parquet"


def part_paths(results: Path, table: str) -> list[Path]:
    """The existing parts of `table`, oldest first; other files in the directory are ignored."""
    return sorted(path for path in table_directory(results, table).glob("part-*.parquet") if is_part(path))


def is_part(path: Path) -> bool:
    """Whether the file has the name of a part."""
    return _PART.fullmatch(path.name) is not None


def part_number(part: Path) -> int:
    """The number of a part."""
    return int(part.stem.removeprefix("part-"))
