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
    scale: float = 1.0,
    signed: bool = False,
    best: bool = False,
    marks: str = "",
) -> Entry:
    """A number, shown in units of `scale`; `ABSENT` for NaN."""
    shown = rounding.cut(value / scale, decimals)
    if shown is None:
        return Entry(marks=marks)
    return Entry(parts=(decimal_text(shown, signed=signed),), values=(value,), best=best, marks=marks)


def decimal_text(shown: Decimal, *, signed: bool = False) -> str:
    """The digits of a number, or `inf`."""
    finite = float(shown) if shown.is_infinite() else shown
    return f"{finite:+}" if signed else str(finite)


@lru_cache(maxsize=4096)  # for the same reason as `word`
def count(value: int) -> Entry:
    """A whole number."""
    return Entry(parts=(str(value),), values=(value,))


def mean_and_std(
    mean: float, std: float, decimals: int, rounding: Rounding, *, absent: str = ABSENT, marks: str = ""
) -> Entry:
    """A mean and its standard deviation, if it has one, in two parts; `absent` if there is no mean."""
    shown = rounding.cut(mean, decimals)
    if shown is None:
        return Entry(parts=(absent,), marks=marks)
    spread = rounding.cut(std, decimals)
    if spread is None:
        return Entry(parts=(str(shown),), values=(mean,), marks=marks)
    return Entry(parts=(str(shown), str(spread)), values=(mean, std), marks=marks)


def p_text(p: float) -> str:
    """A p-value with its relation, such as '= 0.012' or '< 0.001'."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def p_value(p: float) -> Entry:
    """A p-value as an entry."""
    return Entry() if math.isnan(p) else Entry(parts=(p_text(p).removeprefix("= "),), values=(p,))


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
