"""A table as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

ABSENT = "-"
"""Stands where there is no value."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Args:
        name: what stands over it; may be empty below a group.
        group: a heading over neighbouring columns of one group; empty for none.
        parts: names of the parts of its entries, such as `mean` and `std`: CSV gives each part a column of its own.
        align: text to the left, numbers to the right.
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
    """What stands in one place of a table.

    Args:
        parts: the text in the parts that its column names, or one text in place of them all.
        value: what it is sorted by; None sorts last.
        best: whether it is the best of its column.
        marks: signs of the notes that concern it, such as '†'.
        joint: what joins the parts.
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
    """A title, columns, rows of as many entries, and notes that stand below."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()


def text_column(name: str, group: str = "") -> Column:
    """A column of words."""
    return Column(name=name, group=group, align="left")


@lru_cache(maxsize=4096)  # long tables say the same words again and again
def word(text: str) -> Entry:
    """An entry of words."""
    return Entry(parts=(text,), value=text)


def transposed(columns: Sequence[Sequence[Entry]]) -> tuple[tuple[Entry, ...], ...]:
    """The rows of a table from its columns."""
    return tuple(zip(*columns, strict=True))
