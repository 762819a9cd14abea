"""A table as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

ABSENT = "-"
"""The text of an entry without a value."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Args:
        name: the heading; may be empty below a group.
        group: a heading over neighbouring columns; empty for none.
        parts: names of the parts of its entries, such as `mean` and `std`: in CSV each part is a separate column.
        align: `left` for text, `right` for numbers.
    """

    name: str = ""
    group: str = ""
    parts: tuple[str, ...] = ("",)
    align: Literal["left", "right"] = "right"

    @property
    def title(self) -> str:
        """Group and name in one line."""
        return " ".join(word for word in (self.group, self.name) if word)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a table.

    Args:
        parts: a text for each part that the column names, or one text instead of them all.
        value: the value to sort by; None sorts last.
        best: whether it is the best of its column.
        marks: the marks of its notes, such as '†'.
        joint: the text between the parts.
    """

    parts: tuple[str, ...] = (ABSENT,)
    value: float | str | None = None
    best: bool = False
    marks: str = ""
    joint: str = " ± "

    @property
    def text(self) -> str:
        """The parts joined, without marks."""
        return self.joint.join(self.parts)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, columns, rows with one entry per column, and the notes below."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()


def text_column(name: str, group: str = "") -> Column:
    """A column of text."""
    return Column(name=name, group=group, align="left")


@lru_cache(maxsize=4096)  # long tables repeat the same words many times
def word(text: str) -> Entry:
    """An entry of text."""
    return Entry(parts=(text,), value=text)


def transposed(columns: Sequence[Sequence[Entry]]) -> tuple[tuple[Entry, ...], ...]:
    """The rows of a table from its columns."""
    return tuple(zip(*columns, strict=True))
