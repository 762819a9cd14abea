"""A table as plain data, before it becomes text, Markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Args:
        name: what stands above it.
        group: a heading over neighbouring columns of the same group; empty for none.
        parts: names of the parts of its entries, such as `mean` and `std`; CSV gives each part an own column.
        align: text to the left, numbers to the right.
    """

    name: str
    group: str = ""
    parts: tuple[str, ...] = ("",)
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What stands in one place of a table.

    Args:
        parts: the text, in the parts that the column names; shown joined by '±'. One part alone may stand for all.
        value: what it is sorted by.
        best: whether it is the best of its column.
        marks: signs of the notes that concern it, such as '†'.
    """

    parts: tuple[str, ...] = ("",)
    value: float | str | None = None
    best: bool = False
    marks: str = ""

    @property
    def text(self) -> str:
        """The parts joined, without marks."""
        return " ± ".join(self.parts)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, columns, rows of as many entries each, and notes below."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
