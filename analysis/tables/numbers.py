"""Table entries of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from analysis.rounding import Rounding
from analysis.tables.table import ABSENT, Entry

NEAREST = Rounding()


def number(
    value: float,
    decimals: int = 0,
    rounding: Rounding = NEAREST,
    *,
    signed: bool = False,
    best: bool = False,
    marks: str = "",
) -> Entry:
    """A number; `ABSENT` for NaN."""
    shown = rounding.cut(value, decimals)
    if shown is None:
        return Entry(marks=marks)
    return Entry(parts=(f"{shown:+}" if signed else str(shown),), value=value, best=best, marks=marks)


@lru_cache(maxsize=4096)  # for the same reason as `word`
def count(value: int) -> Entry:
    """A whole number."""
    return Entry(parts=(str(value),), value=value)


def mean_and_std(
    mean: float, std: float, decimals: int, rounding: Rounding, *, absent: str = ABSENT, marks: str = ""
) -> Entry:
    """A mean and its standard deviation, if it has one, in two parts; `absent` if there is no mean."""
    shown = rounding.cut(mean, decimals)
    if shown is None:
        return Entry(parts=(absent,), marks=marks)
    spread = rounding.cut(std, decimals)
    parts = (str(shown),) if spread is None else (str(shown), str(spread))
    return Entry(parts=parts, value=float(shown), marks=marks)


def p_text(p: float) -> str:
    """A p-value with its relation, such as '= 0.012' or '< 0.001'."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def p_value(p: float) -> Entry:
    """A p-value as an entry."""
    return Entry() if math.isnan(p) else Entry(parts=(p_text(p).removeprefix("= "),), value=p)


def best_marked(entries: Sequence[Entry], best: Callable[[Iterable[Decimal]], Decimal]) -> list[Entry]:
    """The entries with the best numbers marked, ties as shown included; no marks if all are equal."""
    shown = [Decimal(entry.parts[0]) if entry.value is not None else None for entry in entries]
    present = {value for value in shown if value is not None}
    if len(present) < 2:
        return list(entries)
    winner = best(present)
    return [
        replace(entry, best=True) if value == winner else entry for entry, value in zip(entries, shown, strict=True)
    ]
