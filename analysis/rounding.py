"""How numbers are cut to the digits shown: to the nearest, or truncated as in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Literal

from fdt_core.errors import unknown_name

RoundingMode = Literal["nearest", "truncate", "paper"]


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """A way of rounding.

    Args:
        truncate: cut off the digits that are not shown, instead of rounding half to even.
        percent_of_shown: take percentages of the numbers as shown, instead of the exact ones.
    """

    truncate: bool = False
    percent_of_shown: bool = False

    def cut(self, value: float, decimals: int) -> Decimal:
        """`value` with so many decimals.

        Twelve significant digits of it count, so that a mean of 94.9 that binary arithmetic made 94.89999999999999
        is not truncated to 94.8.
        """
        exact = Decimal(f"{value:.12g}")
        return exact.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN if self.truncate else ROUND_HALF_EVEN)

    def percent_below(self, value: float, base: float, decimals: int, percent_decimals: int = 1) -> Decimal | None:
        """By how many per cent `value` lies below `base`; both are shown with `decimals`. None for a base of 0."""
        if self.percent_of_shown:
            value, base = float(self.cut(value, decimals)), float(self.cut(base, decimals))
        return self.cut(100 * (base - value) / base, percent_decimals) if base else None


ROUNDINGS: dict[str, Rounding] = {
    "nearest": Rounding(),
    "truncate": Rounding(truncate=True),
    "paper": Rounding(truncate=True, percent_of_shown=True),
}


def rounding(name: str) -> Rounding:
    """The rounding of that name; UsageError with the known ones where there is none."""
    try:
        return ROUNDINGS[name]
    except KeyError:
        raise unknown_name("rounding", name, ROUNDINGS) from None
