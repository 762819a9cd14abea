"""Tables as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from analysis.rendering.records import finite, table_records
from analysis.tables.table import Table


def as_json(tables: Iterable[Table]) -> str:
    """All tables as one JSON document, with numbers in full precision.

    `tables` is a list of objects: `name` (the kind of table), `title`, `columns` (`key`, `title` and `unit` of each),
    `rows` (objects of values by key) and `notes`. JSON has no infinity: what is infinite, such as the upper limit of a
    one-sided interval, is null.
    """
    return json.dumps({"tables": [_table(table) for table in tables]}, ensure_ascii=False, allow_nan=False)


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": [
            {"key": key, "title": f"{column.title} {part}".strip(), "unit": column.unit}
            for column in table.columns
            for key, part in zip(column.keys, column.parts, strict=True)
        ],
        "rows": [{key: finite(value) for key, value in row.items()} for row in table_records(table)],
        "notes": list(table.notes),
    }
