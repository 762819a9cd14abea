"""Reduce numbers to the digits shown: round to the nearest, or truncate as in the paper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from functools import cache

from fdt_core.errors import unknown_name


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """A way of rounding.

    Args:
        truncate: drop the digits that are not shown, instead of rounding half to even.
        percent_of_shown: take percentages of the numbers as shown, instead of the exact ones.
    """

    truncate: bool = False
    percent_of_shown: bool = False

    def cut(self, value: float, decimals: int) -> Decimal | None:
        """`value` with `decimals` digits after the point; None for NaN, and infinity for infinity.

        Only its first twelve significant digits count. Otherwise 94.8, which binary arithmetic may have turned into
        94.79999999999998, would be truncated to 94.7.
        """
        if math.isnan(value):
            return None
        if math.isinf(value):
            return Decimal(value)
        exact = Decimal(f"{value:.12g}")
        cut = exact.quantize(_last_digit(decimals), ROUND_DOWN if self.truncate else ROUND_HALF_EVEN)
        return cut + 0  # turns -0.0 into 0.0

    def percent_from(self, value: float, base: float, decimals: int, percent_decimals: int = 1) -> Decimal | None:
        """The difference of `value` to `base` in per cent of it: minus is less. Both are shown with `decimals`.

        None if it cannot be computed: for a base of 0, and for infinities and NaN.
        """
        if not (math.isfinite(value) and math.isfinite(base)):
            return None
        if self.percent_of_shown:
            value, base = (float(self.cut(number, decimals) or 0) for number in (value, base))
        return self.cut(100 * (value - base) / base, percent_decimals) if base else None


@cache
def _last_digit(decimals: int) -> Decimal:
    """One unit of the last digit shown, such as 0.01."""
    return Decimal(1).scaleb(-decimals)


ROUNDINGS = {
    "nearest": Rounding(),
    "truncate": Rounding(truncate=True),
    "paper": Rounding(truncate=True, percent_of_shown=True),
}
"""`paper` is what the paper did: it truncates, and computes percentages from the truncated numbers."""


def rounding(name: str) -> Rounding:
    """The rounding with this name; UsageError with the known names if it is unknown."""
    try:
        return ROUNDINGS[name]
    except KeyError:
        raise unknown_name("rounding", name, ROUNDINGS) from None
