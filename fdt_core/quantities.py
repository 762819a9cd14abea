"""Amounts, counts and short lists as messages show them."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, to two significant figures: `45 seconds`, `1.5 minutes`, `1,200 hours`."""
    if seconds < 1:
        return "less than a second"
    for unit, length in (("seconds", 1.0), ("minutes", 60.0)):
        if seconds < 100 * length:
            return f"{_rounded(seconds / length)} {unit}"
    return f"{_rounded(seconds / 3600)} hours"


def about(seconds: float) -> str:
    """An estimated time: `about 45 seconds`, `less than a second`."""
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def size(count: float) -> str:
    """A number of bytes, in decimal units: `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 row`, `1,200 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def points(count: float) -> str:
    """A difference of percentages: `1 point`, `0.5 points`."""
    return f"{count:g} point{'' if count == 1 else 's'}"


def listed(names: Sequence[str], limit: int = 3) -> str:
    """The names: all, or the first `limit` and the number of the others."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _rounded(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{float(f'{value:.2g}'):,.0f}"
