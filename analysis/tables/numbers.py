"""Entries of numbers, as the tables show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from analysis.rounding import Rounding
from analysis.tables.table import ABSENT, Entry


def number(value: float, decimals: int = 0, rounding: Rounding | None = None, *, signed: bool = False) -> Entry:
    """A number; the sign of absence for NaN."""
    shown = (rounding or Rounding()).cut(value, decimals)
    return Entry() if shown is None else Entry(parts=(f"{shown:+}" if signed else str(shown),), value=value)


def mean_and_std(mean: float, std: float, decimals: int, rounding: Rounding, *, absent: str = ABSENT) -> Entry:
    """A mean with its standard deviation, if it has one, in two parts; `absent` where there is no mean."""
    shown = rounding.cut(mean, decimals)
    if shown is None:
        return Entry(parts=(absent,))
    spread = rounding.cut(std, decimals)
    return Entry(parts=(str(shown),) if spread is None else (str(shown), str(spread)), value=float(shown))


def p_text(p: float) -> str:
    """A p-value with its relation, such as '= 0.012' or '< 0.001'."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def p_value(p: float) -> Entry:
    """A p-value as an entry."""
    return Entry() if math.isnan(p) else Entry(parts=(p_text(p).removeprefix("= "),), value=p)


def best_marked(entries: Sequence[Entry], best: Callable[[Iterable[Decimal]], Decimal]) -> list[Entry]:
    """The entries with the best number marked, ties as the reader sees them; none where all are equal."""
    shown = [Decimal(entry.parts[0]) if entry.value is not None else None for entry in entries]
    present = {value for value in shown if value is not None}
    winner = best(present) if len(present) > 1 else None
    return [
        replace(entry, best=value is not None and value == winner) for entry, value in zip(entries, shown, strict=True)
    ]
