"""Tables as JSON."""

from __future__ import annotations

import json

from analysis.tables.table import Column, Entry, Table


def as_json(table: Table) -> str:
    """The table as one line of JSON: `table` (its title), `rows` (objects of the shown values by column), `notes`."""
    rows = [
        {key: value for column, entry in zip(table.columns, row, strict=True) for key, value in _items(column, entry)}
        for row in table.rows
    ]
    return json.dumps({"table": table.title, "rows": rows, "notes": table.notes}, ensure_ascii=False)


def _items(column: Column, entry: Entry) -> list[tuple[str, float | str | None]]:
    names = [f"{column.title} {part}".strip() for part in column.parts]
    parts = (*entry.parts, *[""] * (len(names) - len(entry.parts)))
    return [(name, _value(part)) for name, part in zip(names, parts, strict=True)]


def _value(text: str) -> float | str | None:
    """A number if the text is one, None if it means that there is no value."""
    if text in ("", "-"):
        return None
    try:
        return float(text)
    except ValueError:
        return text
