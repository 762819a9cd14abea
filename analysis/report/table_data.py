"""The tables of the page: their first rows as HTML, all of them as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from analysis.rendering.records import finite
from analysis.tables.table import Column, Entry, Table

PAGE_ROWS = 100
"""Rows of a page of a table: the browser shows so many without delay."""


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table of the page.

    Args:
        name: identifies it in the page and in links to it.
        whole: the table with all rows.
    """

    name: str
    whole: Table

    @property
    def first(self) -> Table:
        """The table with the rows of its first page, which the page has as HTML."""
        return replace(self.whole, rows=self.whole.rows[:PAGE_ROWS])

    def data(self) -> dict[str, Any]:
        """All rows as data, column by column; `tables.js` reads it."""
        by_column = zip(*self.whole.rows, strict=True) if self.whole.rows else [()] * len(self.whole.columns)
        return {
            "rows": len(self.whole.rows),
            "columns": [
                _column(column, entries) for column, entries in zip(self.whole.columns, by_column, strict=True)
            ],
        }


def _column(column: Column, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """Heading, keys, texts as shown, and per key the values; no values where they are the texts."""
    texts = [entry.text + entry.marks for entry in entries]
    parts = len(column.parts)
    values = [[_value(entry, part) for entry in entries] for part in range(parts)]
    return {
        "title": column.title,
        "align": column.align,
        "keys": column.keys,
        "texts": texts,
        "values": None if values == [texts] else values,
        "best": [place for place, entry in enumerate(entries) if entry.best],
    }


def _value(entry: Entry, part: int) -> float | str | None:
    """A value as JSON can express it; what is infinite in the word that JavaScript and pandas read as such."""
    value = entry.values[part] if part < len(entry.values) else None
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return finite(value)
