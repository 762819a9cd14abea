"""Compare two runs: they are equal if their `done` rows agree in all columns that are not volatile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdt_core.results.columns import TRIAL_COLUMNS
from fdt_core.results.keys import cell_key
from fdt_core.results.reader import read_table

_REPRODUCIBLE = tuple(column.name for column in TRIAL_COLUMNS if not column.volatile)
"""The columns of `trials` in which two correct runs must agree."""


def done_rows(results: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """The `done` rows of a run's `results` directory, keyed by `CELL_KEY`."""
    rows = read_table(results, "trials").rows.to_pylist()
    return {cell_key(row): row for row in rows if row["status"] == "done"}


def row_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The columns in which two rows differ but must not, with both values; floats are compared to the bit."""
    return {
        name: (first[name], second[name])
        for name in _REPRODUCIBLE
        if first[name] != second[name] and not (_is_nan(first[name]) and _is_nan(second[name]))
    }


def run_differences(first: Path, second: Path) -> list[str]:
    """The differences between two `results` directories, one per line; empty if they are equal."""
    firsts, seconds = done_rows(first), done_rows(second)
    lines = [f"{'/'.join(key)}: only in {first}" for key in firsts.keys() - seconds.keys()]
    lines += [f"{'/'.join(key)}: only in {second}" for key in seconds.keys() - firsts.keys()]
    for key in firsts.keys() & seconds.keys():
        for name, (one, other) in row_differences(firsts[key], seconds[key]).items():
            lines.append(f"{'/'.join(key)}: {name}: {one!r} against {other!r}")
    return sorted(lines)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value
