"""Tables as CSV: every part of an entry in a separate column, no marks."""

from __future__ import annotations

import csv
import io

from analysis.tables.table import Entry, Table


def as_csv(table: Table) -> str:
    """The table as CSV. The first column is the table's title, so that one file can hold several tables."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Table", *(f"{column.title} {part}".strip() for column in table.columns for part in column.parts)])
    for row in table.rows:
        cells = [_parts(entry, len(column.parts)) for column, entry in zip(table.columns, row, strict=True)]
        writer.writerow([table.title, *(part for parts in cells for part in parts)])
    return text.getvalue()


def _parts(entry: Entry, count: int) -> tuple[str, ...]:
    """The parts of an entry, filled to `count` with empty ones."""
    return (*entry.parts, *[""] * (count - len(entry.parts)))
