"""Which recorded decisions of a run with adaptive seeds still hold, and how many seeds they ask for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fdt_core.results.keys import BASE
from fdt_core.results.looks import Looks

OPEN = frozenset({"undecided", "untested"})
"""The verdicts that leave a comparison without an answer."""

WITHDRAWN = "withdrawn"
"""Stands for the verdict in a row that takes back what this look and later ones have decided."""

COMPARISON = ("model", "width", "variant", "dataset", "template")
"""The columns of `decisions` that name a comparison."""

Comparison = tuple[Any, ...]
"""The values of `COMPARISON`."""


def comparison_of(row: Mapping[str, Any]) -> Comparison:
    """What is compared with base, by a row of `decisions` or of `trials`, or a planned trial."""
    return tuple(row[name] for name in COMPARISON)


def current_decisions(rows: Iterable[Mapping[str, Any]], looks: Looks) -> dict[Comparison, list[Mapping[str, Any]]]:
    """The decisions that hold, look by look, by comparison.

    A look may be taken again: after the retry of a trial that had been given up when it was taken, or with another
    plan. What was decided at this look and later ones then no longer holds; nor does it after a row that withdraws it.

    Args:
        rows: rows of `decisions` of one run, in the order they were written.
        looks: the looks of the run's plan. Decisions of other looks are of a former plan, and do not hold.
    """
    found: dict[Comparison, list[Mapping[str, Any]]] = {}
    for row in rows:
        if _is_of(row, looks):
            taken = found.setdefault(comparison_of(row), [])
            while taken and taken[-1]["look"] >= row["look"]:
                taken.pop()
            if row["verdict"] != WITHDRAWN:
                taken.append(row)
    return found


def _is_of(row: Mapping[str, Any], looks: Looks) -> bool:
    index = row["look"] - 1
    return (
        index < len(looks.seeds)
        and row["seeds"] == looks.seeds[index]
        and row["margin"] == looks.margin
        and math.isclose(row["level"], looks.levels[index], rel_tol=1e-9)
    )


def recorded_looks(rows: Iterable[Mapping[str, Any]]) -> Looks | None:
    """The looks that were taken, for a run without a plan; None without any.

    How many comparisons share the error is not recorded: `templates` and `blocks` are 0.

    Args:
        rows: rows of `decisions` of one run, in the order they were written.
    """
    latest = list(rows)
    if not latest:
        return None
    same = [row for row in latest if row["margin"] == latest[-1]["margin"]]
    by_look = {row["look"]: row for row in same if row["error_rate"] == latest[-1]["error_rate"]}
    return Looks(
        seeds=tuple(by_look[look]["seeds"] for look in sorted(by_look)),
        levels=tuple(by_look[look]["level"] for look in sorted(by_look)),
        margin=latest[-1]["margin"],
        error=latest[-1]["error_rate"],
        family=latest[-1]["family"],
        templates=0,
        blocks=0,
    )


def asked_seeds(
    comparisons: Iterable[Comparison], last: Mapping[Comparison, Mapping[str, Any]], looks: Looks
) -> dict[Comparison, int]:
    """How many of its first seeds each template is asked for, base included.

    Args:
        comparisons: all planned ones, with those of base.
        last: the last decision on each that has one.
        looks: the looks of the run's plan.
    """
    blocks: dict[Comparison, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        blocks[comparison[:-1]].append(comparison)
    counts: dict[Comparison, int] = {}
    for block, found in blocks.items():
        base = (*block, BASE)
        others = [comparison for comparison in found if comparison != base]
        for comparison in others:
            counts[comparison] = _asked(last.get(comparison) if base in found else None, looks)
        counts[base] = max([counts[each] for each in others], default=_asked(None, looks))
    return counts


def _asked(last: Mapping[str, Any] | None, looks: Looks) -> int:
    """How many seeds of a template are asked for, given the last decision on it."""
    if not looks.stops:
        return looks.seeds[-1]
    if last is None:
        return looks.seeds[0]
    look, goes_on = int(last["look"]), last["verdict"] in OPEN and last["pairs"] > 0
    return looks.seeds[min(look, len(looks.seeds) - 1) if goes_on else look - 1]
