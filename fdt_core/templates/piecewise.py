"""Templates that are piecewise linear in the relative depth.

If m is the minimum of the base filters, slot i gets

    m + (n - m) * height(i), rounded half to even on the exact rational value.

The template sets the heights, from 0 to 1; budget matching chooses n.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from fdt_core.errors import UsageError
from fdt_core.scaling import half_even
from fdt_core.templates.kinds import chosen

Points = tuple[tuple[Fraction, Fraction], ...]
"""The corners, each (position, height): positions rise from 0, the first slot, to 1, the last."""


@dataclass(frozen=True, kw_only=True)
class Piecewise:
    """Heights that are interpolated linearly between `points` over the relative depth.

    Args:
        name: its name in the results.
        points: the corners, from position 0 to position 1; heights from 0 (the minimum m) to 1 (n).
        corners_on_slots: move each corner to the nearest slot (on a tie, the deeper one), so that a peak in the middle
            is reached even if the number of slots is even.

    Raises:
        UsageError: if the points do not define such a template.
    """

    name: str
    points: Points
    corners_on_slots: bool = False

    def __post_init__(self) -> None:
        problem = _points_problem(self.points)
        if problem:
            raise UsageError(f"template {self.name!r}: {problem}")

    def least_n(self, base_widths: tuple[int, ...]) -> int:
        """The minimum m of the base filters."""
        return min(base_widths)

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """From m, where the height is 0, to n, where it is 1."""
        least, rise = min(base_widths), chosen(n) - min(base_widths)
        return tuple(
            half_even(least * height.denominator + rise * height.numerator, height.denominator)
            for height in self.heights(len(base_widths))
        )

    def heights(self, slots: int) -> tuple[Fraction, ...]:
        """The exact heights of `slots` slots, spaced evenly over the relative depth."""
        return _heights(self.points, slots, self.corners_on_slots)


def _points_problem(points: Points) -> str:
    """What is wrong with the points, or an empty string."""
    positions = [position for position, _ in points]
    if len(points) < 2:
        return "at least two points are needed"
    if positions[0] != 0 or positions[-1] != 1:
        found = f"{float(positions[0]):g} and {float(positions[-1]):g}"
        return f"the first point must be at position 0 and the last at 1, not {found}"
    for before, after in pairwise(positions):
        if after <= before:
            return f"positions must rise, but {float(after):g} follows {float(before):g}"
    for position, height in points:
        if not 0 <= height <= 1:
            return f"heights must be from 0 to 1, not {float(height):g} (at position {float(position):g})"
    if all(height == 0 for _, height in points):
        return "all heights are 0, so no budget can be matched"
    return ""


@lru_cache(maxsize=256)
def _heights(points: Points, slots: int, corners_on_slots: bool) -> tuple[Fraction, ...]:
    last = max(slots - 1, 1)
    if corners_on_slots:
        points = tuple(
            ((position * last + Fraction(1, 2)) // 1 / Fraction(last), height) for position, height in points
        )
    return tuple(_interpolated(points, Fraction(slot, last)) for slot in range(slots))


def _interpolated(points: Points, position: Fraction) -> Fraction:
    """The height at `position`, on the first segment that reaches it."""
    for (left, low), (right, high) in pairwise(points):
        if position <= right:
            return low + (high - low) * (position - left) / (right - left) if right > left else high
    raise AssertionError("the last point is at position 1")
