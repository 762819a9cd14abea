"""Tables as CSV: one header row, numbers in full precision, no marks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from analysis.rendering.records import table_records
from analysis.tables.table import Table, Value

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet would run as a formula."""


def as_csv(tables: Iterable[Table]) -> str:
    """All tables as one CSV, which pandas reads in one call.

    The first two columns are the kind and the title of each row's table; then come the columns of all tables. A row is
    empty where its table lacks a column.
    """
    rows: list[dict[str, Value]] = [
        {"table": table.name, "title": table.title, **record} for table in tables for record in table_records(table)
    ]
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["table", "title"]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Value) -> Value:
    """A number as it is, and a text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
