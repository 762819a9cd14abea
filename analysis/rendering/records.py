"""The rows of a table as plain records, for CSV and JSON."""

from __future__ import annotations

import math

from analysis.tables.table import Column, Entry, Table, Value


def table_records(table: Table) -> list[dict[str, Value]]:
    """For each row, the value of each part of each column by its key; None where there is none."""
    return [
        {key: value for column, entry in zip(table.columns, row, strict=True) for key, value in _items(column, entry)}
        for row in table.rows
    ]


def _items(column: Column, entry: Entry) -> list[tuple[str, Value]]:
    keys = column.keys
    values = (*entry.values, *[None] * (len(keys) - len(entry.values)))
    return list(zip(keys, values, strict=True))


def finite(value: Value) -> Value:
    """The value, or None for one that JSON cannot express."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
