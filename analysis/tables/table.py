"""A table as plain data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

ABSENT = "-"
"""The text of an entry without a value."""

Value = float | str | None

_NOT_IN_KEYS = re.compile(r"(\([^)]*\)|[^0-9a-z])+")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Args:
        name: the heading; may be empty below a group.
        group: a heading over neighbouring columns; empty for none.
        parts: names of the parts of its entries, such as `mean` and `std`; in CSV and JSON, each part is a separate
            column.
        align: `left` for text, `right` for numbers.
        key: its name in CSV and JSON; default: from its headings.
        unit: the unit of its values in CSV and JSON; text may show others, such as millions.
    """

    name: str = ""
    group: str = ""
    parts: tuple[str, ...] = ("",)
    align: Literal["left", "right"] = "right"
    key: str = ""
    unit: str = ""

    @property
    def title(self) -> str:
        """Group and name in one line."""
        return " ".join(word for word in (self.group, self.name) if word)

    @property
    def keys(self) -> tuple[str, ...]:
        """The name of each part in CSV and JSON."""
        key = self.key or _NOT_IN_KEYS.sub("_", self.title.lower()).strip("_")
        return tuple(f"{key}_{part}" if part else key for part in self.parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a table.

    Args:
        parts: a text for each part that the column names, or one text instead of them all.
        values: the value of each part in full precision, in the column's unit; those that are missing are None.
        best: whether it is the best of its column.
        marks: the marks of its notes, such as '†'.
        joint: the text between the parts.
    """

    parts: tuple[str, ...] = (ABSENT,)
    values: tuple[Value, ...] = ()
    best: bool = False
    marks: str = ""
    joint: str = " ± "

    @property
    def text(self) -> str:
        """The parts joined, without marks."""
        return self.joint.join(self.parts)

    @property
    def value(self) -> Value:
        """The value to sort by: that of the first part. None sorts last."""
        return self.values[0] if self.values else None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, columns, rows with one entry per column, and the notes below.

    `name` is the name of its kind, such as `comparison`; tables of one kind have the same columns where they can.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    name: str = ""


def text_column(name: str, group: str = "", key: str = "") -> Column:
    """A column of text."""
    return Column(name=name, group=group, align="left", key=key)


@lru_cache(maxsize=4096)  # long tables repeat the same words many times
def word(text: str) -> Entry:
    """An entry of text."""
    return Entry(parts=(text,), values=(text,))


def transposed(columns: Sequence[Sequence[Entry]]) -> tuple[tuple[Entry, ...], ...]:
    """The rows of a table from its columns."""
    return tuple(zip(*columns, strict=True))
