"""When two runs count as equal: their `done` rows agree in every column that two right runs may not differ in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdt_core.results.columns import TRIAL_COLUMNS
from fdt_core.results.keys import cell_key
from fdt_core.results.reader import read_table

STEADY_COLUMNS = tuple(column.name for column in TRIAL_COLUMNS if not column.volatile)
"""The columns of `trials` that are not volatile."""


def done_rows(results: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The `done` rows of a run's `results` directory by `CELL_KEY`."""
    rows = read_table(results, "trials").rows.to_pylist()
    return {cell_key(row): row for row in rows if row["status"] == "done"}


def row_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The steady columns in which two rows differ, with both values; floats must agree to the bit."""
    return {
        name: (first[name], second[name])
        for name in STEADY_COLUMNS
        if first[name] != second[name] and not (_is_nan(first[name]) and _is_nan(second[name]))
    }


def run_differences(first: Path, second: Path) -> list[str]:
    """What keeps two `results` directories from being equal, one line each; empty where they are equal."""
    ours, theirs = done_rows(first), done_rows(second)
    lines = [f"{'/'.join(map(str, key))}: only in {first}" for key in ours.keys() - theirs.keys()]
    lines += [f"{'/'.join(map(str, key))}: only in {second}" for key in theirs.keys() - ours.keys()]
    for key in ours.keys() & theirs.keys():
        for name, (mine, other) in row_differences(ours[key], theirs[key]).items():
            lines.append(f"{'/'.join(map(str, key))}: {name}: {mine!r} against {other!r}")
    return sorted(lines)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value
