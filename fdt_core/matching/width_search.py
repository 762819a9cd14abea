"""The search for the width n at which a network has the wanted cost, for any function from n to a cost.

From `rising_from` on, the cost never falls as n rises, so only a few n need to be tried there. Below, it can fall: a
residual block whose input and output become equally wide loses its projection. No network there costs more than the one
at `rising_from`, so those few n are tried one by one, and only if the answer can be among them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from fractions import Fraction
from itertools import count
from math import sqrt

CostAt = Callable[[int], Fraction]
"""The exact cost at n. It is called more than once with the same n: cache it if it is slow."""

LARGEST_N = 2**20
"""The search stops here: a target that needs more is a typing mistake."""


class Unreachable(Exception):
    """No n meets the target; the message ends a sentence that starts with the target."""


def nearest(cost_at: CostAt, *, least: int, rising_from: int, target: Fraction) -> int:
    """The n whose cost is nearest to `target`; of several, the smallest.

    Raises:
        Unreachable: if even the cheapest network costs more, or the one at `LARGEST_N` costs less.
    """
    first = max(least, rising_from)
    above = _first_above(cost_at, first, target)
    around = [n for n in (above - 1, above) if n >= first]
    best = min(around, key=lambda n: (abs(cost_at(n) - target), n))
    n = _first_with_cost_of(cost_at, first, best)
    if n > first:
        return n
    candidates = range(least, first + 1)
    _require_affordable(cost_at, candidates, target)
    return min(candidates, key=lambda n: (abs(cost_at(n) - target), n))


def at_most(cost_at: CostAt, *, least: int, rising_from: int, target: Fraction) -> int:
    """The largest n whose cost does not exceed `target`.

    Raises:
        Unreachable: as `nearest` does.
    """
    first = max(least, rising_from)
    above = _first_above(cost_at, first, target)
    if above > first:
        return above - 1
    candidates = range(least, first + 1)
    _require_affordable(cost_at, candidates, target)
    return max(n for n in candidates if cost_at(n) <= target)


def step_at(cost_at: CostAt, n: int, *, rising_from: int, target: Fraction) -> Fraction:
    """The difference in cost between `n` and its neighbour in the direction of `target`: how finely n can match it.

    The search has tried both. Below `rising_from`, the first step above it stands for the others. A neighbour has
    another cost; 0 if there is none.
    """
    if n > rising_from and cost_at(n) > target:
        return cost_at(n) - cost_at(n - 1)
    return _step_above(cost_at, max(n, rising_from))


def _step_above(cost_at: CostAt, n: int) -> Fraction:
    """What the smallest n above `n` that costs more adds; `n` must be where the cost rises. 0 if there is none."""
    cost, reach = cost_at(n), 1
    while cost_at(n + reach) == cost:
        reach *= 2
        if n + reach > LARGEST_N:
            return Fraction(0)
    dearer = bisect_right(range(n, n + reach), cost, key=cost_at) + n
    return cost_at(dearer) - cost


def _first_above(cost_at: CostAt, first: int, target: Fraction) -> int:
    """The first n from `first` on whose cost exceeds `target`."""
    if cost_at(first) > target:
        return first
    low, high = first, 2 * first
    while cost_at(high) <= target:
        low, high = high, 2 * high
        if high > LARGEST_N:
            raise Unreachable(f"is out of reach: even n = {low:,} costs {readable(cost_at(low))}")
    for step in count():
        if high - low == 1:
            break
        # Bisecting every third step bounds the number of steps for any cost function.
        guess = (low + high) // 2 if step % 3 == 2 else _interpolated(cost_at, low, high, target)
        low, high = (low, guess) if cost_at(guess) > target else (guess, high)
    return high


def _interpolated(cost_at: CostAt, low: int, high: int, target: Fraction) -> int:
    """The n between `low` and `high` that would meet the target if the square root of the cost were linear in n.

    It nearly is, and this halves the number of networks whose cost is computed.
    """
    below, wanted, above = (sqrt(cost) for cost in (cost_at(low), target, cost_at(high)))
    guess = low + round((high - low) * (wanted - below) / (above - below))
    return min(max(guess, low + 1), high - 1)


def _first_with_cost_of(cost_at: CostAt, first: int, n: int) -> int:
    """The smallest n from `first` on that costs as much as `n`: coarse metrics such as memory_mb have plateaus."""
    if n == first or cost_at(n - 1) < cost_at(n):
        return n
    return bisect_left(range(first, n), cost_at(n), key=cost_at) + first


def _require_affordable(cost_at: CostAt, candidates: range, target: Fraction) -> None:
    cheapest = min(candidates, key=cost_at)
    if cost_at(cheapest) > target:
        raise Unreachable(f"is below the cost at the smallest n, {cheapest}: {readable(cost_at(cheapest))}")


def readable(cost: Fraction) -> str:
    """The cost as text for a message: whole numbers in full, others to six decimals."""
    return f"{int(cost):,}" if cost.denominator == 1 else f"{float(cost):,.6f}".rstrip("0").rstrip(".")
