"""Budget matching: the width n of a template at which the network costs as much as wanted.

The cost does not fall as n rises above the minimum m of the base filters, so n is found by bisection there. At or
below m it can: a residual block whose input and output become equally wide loses its projection. No such network costs
more than the one at m + 1, where the projections are back, so the few n up to there are searched one by one, and only
when the answer can lie there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from fractions import Fraction
from functools import cache
from itertools import count
from math import sqrt
from typing import Literal, get_args

from pydantic import ConfigDict, field_validator, model_validator
from pydantic.dataclasses import dataclass

from fdt_core.architectures import Architecture
from fdt_core.cost import Cost, Metric, cost_of
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.published import published_n
from fdt_core.scaling import exact
from fdt_core.templates import Template

Rule = Literal["nearest", "at_most", "paper"]

RULES: tuple[Rule, ...] = get_args(Rule)

LARGEST_N = 2**20
"""No search goes beyond: a target that needs more is a slip of the pen."""

CostAt = Callable[[int], Fraction]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Budget:
    """What every network of a study is matched to.

    Args:
        metric: the cost that is matched: a field of `fdt_core.cost.Cost`.
        target: `base`, the cost of the model's own filters (at the same width multiplier); a multiple of it, such as
            `0.5 x base`; or a number in the metric's unit.
        rule: `nearest` takes the n whose cost is closest to the target, `at_most` the largest n that does not exceed
            it, `paper` the n of the paper's own networks (see `fdt_core.published`).

    Raises pydantic's ValidationError (a ValueError) for anything else.
    """

    metric: Metric = "paper_flops"
    target: float | str = "base"
    rule: Rule = "nearest"

    @field_validator("target")
    @classmethod
    def _known_target(cls, target: float | str) -> float | str:
        if _multiple(target) is None and (isinstance(target, str) or target <= 0):
            raise ValueError("must be base, a multiple such as '0.5 x base', or a positive number")
        return target

    @model_validator(mode="after")
    def _paper_as_published(self) -> Budget:
        if self.rule == "paper" and (self.metric, self.target) != ("paper_flops", "base"):
            raise ValueError("the rule paper needs the metric paper_flops and the target base")
        return self

    def resolve(self, base: Cost) -> Fraction:
        """The exact target, in the metric's unit, where the base network costs `base`."""
        multiple = _multiple(self.target)
        return exact(self.target) if multiple is None else multiple * exact(getattr(base, self.metric))


def _multiple(target: float | str) -> Fraction | None:
    """How many times base `target` is; None where it does not say so."""
    if not isinstance(target, str):
        return None
    if target.strip() == "base":
        return Fraction(1)
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*[x*]\s*base\s*", target)
    return exact(match[1]) if match and exact(match[1]) > 0 else None


@plain_dataclass(frozen=True, kw_only=True)
class Match:
    """A network that meets a budget.

    Args:
        n: the chosen free width; None where the template leaves nothing to choose.
        widths: filters of each slot.
        cost: what the network costs.
        target: what it was to cost, in the budget's metric.
        budget_error: achieved / target - 1.
    """

    n: int | None
    widths: tuple[int, ...]
    cost: Cost
    target: float
    budget_error: float


def match(architecture: Architecture, template: Template, *, image: ImageShape, width: float, budget: Budget) -> Match:
    """The filters that `template` gives to `architecture` within `budget`.

    Args:
        architecture: the family of networks.
        template: the filter distribution.
        image: what the network reads.
        width: multiplier of the base filters, the stem and the minimum; the budget scales with them.
        budget: what to match.

    Raises:
        UsageError: where the target cannot be met: it lies below the cost at the smallest n, or out of reach; where the
            template does not fit the model; or where the rule `paper` does not know the network.
    """
    base_widths = architecture.scaled_widths(width)

    @cache
    def cost(widths: tuple[int, ...]) -> Cost:
        return cost_of(architecture.plan(widths, width=width, image=image))

    def cost_at(n: int) -> Fraction:
        return exact(getattr(cost(template.widths(base_widths, n)), budget.metric))

    target = budget.resolve(cost(base_widths))
    least = template.least_n(base_widths)
    if least is None:
        n = None
    elif budget.rule == "paper":
        n = published_n(architecture.name, template.name, image=image, width=width)
    else:
        search = _at_most if budget.rule == "at_most" else _nearest
        try:
            n = search(cost_at, least, min(base_widths) + 1, target)
        except _Unreachable as problem:
            raise UsageError(
                f"{architecture.name} with template {template.name!r}: {budget.metric} of {_readable(target)} {problem}"
            ) from None
    widths = template.widths(base_widths, n)
    achieved = cost(widths)
    return Match(
        n=n,
        widths=widths,
        cost=achieved,
        target=float(target),
        budget_error=float(exact(getattr(achieved, budget.metric)) / target - 1),
    )


class _Unreachable(Exception):
    """Why no n meets the target, as the end of a sentence."""


def _nearest(cost_at: CostAt, least: int, rising_from: int, target: Fraction) -> int:
    """The smallest of the n whose cost is nearest to `target`."""
    first = max(least, rising_from)
    above = _first_above(cost_at, first, target)
    around = [n for n in (above - 1, above) if n >= first]
    best = min(around, key=lambda n: (abs(cost_at(n) - target), n))
    n = _first_as_dear(cost_at, first, best)
    if n > first:
        return n
    candidates = range(least, first + 1)
    _require_affordable(cost_at, candidates, target)
    return min(candidates, key=lambda n: (abs(cost_at(n) - target), n))


def _first_as_dear(cost_at: CostAt, first: int, n: int) -> int:
    """The smallest n from `first` on that costs as much as `n`: coarse metrics, such as memory_mb, have plateaus."""
    if n == first or cost_at(n - 1) < cost_at(n):
        return n
    return bisect_left(range(first, n), cost_at(n), key=cost_at) + first


def _at_most(cost_at: CostAt, least: int, rising_from: int, target: Fraction) -> int:
    """The largest n whose cost does not exceed `target`."""
    first = max(least, rising_from)
    above = _first_above(cost_at, first, target)
    if above > first:
        return above - 1
    candidates = range(least, first + 1)
    _require_affordable(cost_at, candidates, target)
    return max(n for n in candidates if cost_at(n) <= target)


def _first_above(cost_at: CostAt, first: int, target: Fraction) -> int:
    """The first n from `first` on whose cost exceeds `target`."""
    if cost_at(first) > target:
        return first
    low, high = first, 2 * first
    while cost_at(high) <= target:
        low, high = high, 2 * high
        if high > LARGEST_N:
            raise _Unreachable(f"is out of reach: even n = {low:,} costs {_readable(cost_at(low))}")
    for step in count():
        if high - low == 1:
            break
        guess = (low + high) // 2 if step % 3 == 2 else _interpolated(cost_at, low, high, target)
        low, high = (low, guess) if cost_at(guess) > target else (guess, high)
    return high


def _interpolated(cost_at: CostAt, low: int, high: int, target: Fraction) -> int:
    """Where between `low` and `high` the target would be met, were the root of the cost linear in n (it nearly is)."""
    below, wanted, above = (sqrt(cost) for cost in (cost_at(low), target, cost_at(high)))
    guess = low + round((high - low) * (wanted - below) / (above - below))
    return min(max(guess, low + 1), high - 1)


def _require_affordable(cost_at: CostAt, candidates: range, target: Fraction) -> None:
    cheapest = min(candidates, key=cost_at)
    if cost_at(cheapest) > target:
        raise _Unreachable(f"is below the cost at its smallest n = {cheapest}: {_readable(cost_at(cheapest))}")


def _readable(cost: Fraction) -> str:
    return f"{int(cost):,}" if cost.denominator == 1 else f"{float(cost):,.6f}".rstrip("0")
