"""Exact scaling of filter counts: no floating-point error decides a rounding."""

from __future__ import annotations

from fractions import Fraction

Number = int | float | str | Fraction


def exact(number: Number) -> Fraction:
    """The rational number that `number` is written as: 0.1 is one tenth, not the nearest binary fraction.

    Raises:
        ValueError: for text that is not a number, and for infinities.
    """
    return Fraction(number if isinstance(number, int | Fraction) else str(number))


def half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` (positive) rounded to the nearest integer, halves to even."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def nearest_multiple(filters: int, multiple: int) -> int:
    """The multiple of `multiple` that is nearest to `filters`, halves to the even one, at least one of it."""
    return max(1, half_even(filters, multiple)) * multiple


def scaled(filters: int, width: float) -> int:
    """`filters` times the multiplier `width`, rounded half to even, at least 1."""
    return max(1, round(filters * exact(width)))
