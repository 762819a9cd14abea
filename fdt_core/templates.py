"""Filter distribution templates: how many filters each slot of an architecture gets.

The paper (section 3, figure 2) draws its templates without formulas; those used here were reconstructed, and give every
parameter count that it prints. Of D slots with base filters whose minimum is m, slot i gets

    m + (n - m) * height(i), rounded half to even on the exact rational value,

where the template sets the heights, from 0 to 1, and the budget solver chooses n.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from fdt_core.errors import UsageError, unknown_name
from fdt_core.references import import_reference, is_reference
from fdt_core.scaling import half_even

Points = tuple[tuple[Fraction, Fraction], ...]
"""Corners of a profile, each (position, height): positions rise from 0, the first slot, to 1, the last one."""


@runtime_checkable
class Template(Protocol):
    """What any template answers. Implement it for a distribution that no profile describes."""

    @property
    def name(self) -> str:
        """What the results call the template."""
        ...

    def least_n(self, base_widths: tuple[int, ...]) -> int | None:
        """The smallest n that may be chosen, at least 1; None where there is nothing to choose."""
        ...

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """The filters of each slot.

        No slot may lose filters when n rises: the search for a budget relies on it.

        Args:
            base_widths: the model's own filters per slot.
            n: the free width; None where `least_n` is None.

        Raises:
            UsageError: where the template does not fit so many slots.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Base:
    """The model's own filters."""

    name: str = "base"

    def least_n(self, base_widths: tuple[int, ...]) -> None:
        """Nothing to choose."""
        return

    def widths(self, base_widths: tuple[int, ...], n: int | None = None) -> tuple[int, ...]:
        """The base filters, unchanged."""
        return base_widths


@dataclass(frozen=True, kw_only=True)
class ExplicitWidths:
    """Filters given slot by slot: measured, not matched, and not scaled by a width multiplier.

    Raises:
        UsageError: where a width is below 1.
    """

    name: str
    filters: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.filters or min(self.filters) < 1:
            raise UsageError(f"template {self.name!r}: widths must be whole numbers of at least 1, one per slot")

    def least_n(self, base_widths: tuple[int, ...]) -> None:
        """Nothing to choose."""
        return

    def widths(self, base_widths: tuple[int, ...], n: int | None = None) -> tuple[int, ...]:
        """The given filters."""
        if len(self.filters) != len(base_widths):
            raise UsageError(
                f"template {self.name!r} lists {len(self.filters)} widths, but the model has {len(base_widths)} slots"
            )
        return self.filters


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """The same filters n in every slot. The minimum m does not apply: n starts at 1."""

    name: str

    def least_n(self, base_widths: tuple[int, ...]) -> int:
        """One filter."""
        return 1

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """N filters everywhere."""
        return (_chosen(n),) * len(base_widths)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Heights that run in straight lines between `points` over the relative depth.

    Args:
        name: what the results call it.
        points: the corners, from position 0 to position 1; heights from 0 (the minimum m) to 1 (n).
        corners_on_slots: move each corner to the nearest slot (of two, the deeper), so that a peak in the middle is
            reached although the number of slots is even.

    Raises:
        UsageError: where the points are not such a profile.
    """

    name: str
    points: Points
    corners_on_slots: bool = False

    def __post_init__(self) -> None:
        problem = _profile_problem(self.points)
        if problem:
            raise UsageError(f"template {self.name!r}: {problem}")

    def least_n(self, base_widths: tuple[int, ...]) -> int:
        """The minimum m of the base filters."""
        return min(base_widths)

    def widths(self, base_widths: tuple[int, ...], n: int | None) -> tuple[int, ...]:
        """From m, where the profile is 0, to n, where it is 1."""
        least, rise = min(base_widths), _chosen(n) - min(base_widths)
        return tuple(
            half_even(least * height.denominator + rise * height.numerator, height.denominator)
            for height in self.heights(len(base_widths))
        )

    def heights(self, slots: int) -> tuple[Fraction, ...]:
        """The exact height of each of `slots` slots, spread evenly over the relative depth."""
        return _heights(self.points, slots, self.corners_on_slots)


def _chosen(n: int | None) -> int:
    if n is None:
        raise ValueError("this template needs a width n")
    return n


def _profile_problem(points: Points) -> str:
    """What is wrong with a profile's points, or an empty string."""
    positions = [position for position, _ in points]
    if len(points) < 2:
        return "a profile needs at least two points"
    if positions[0] != 0 or positions[-1] != 1:
        return f"the first point must be at position 0 and the last at 1, not {positions[0]} and {positions[-1]}"
    for before, after in pairwise(positions):
        if after <= before:
            return f"positions must rise, but {float(after):g} follows {float(before):g}"
    for position, height in points:
        if not 0 <= height <= 1:
            return f"heights must be from 0 to 1, not {float(height):g} (at position {float(position):g})"
    if all(height == 0 for _, height in points):
        return "all heights are 0, so that no budget can be matched"
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
    raise AssertionError("a profile ends at position 1")


@dataclass(frozen=True, kw_only=True)
class TemplateRegistry:
    """Templates by name. A value: `register` gives a new registry and leaves the old one as it was."""

    templates: Mapping[str, Template] = field(default_factory=lambda: MappingProxyType({}))

    def register(self, *templates: Template) -> TemplateRegistry:
        """A registry that knows `templates` as well.

        Raises:
            UsageError: where a name is taken.
        """
        known = dict(self.templates)
        for added in templates:
            if added.name in known:
                raise UsageError(f"there is a template {added.name!r} already: choose another name")
            known[added.name] = added
        return TemplateRegistry(templates=MappingProxyType(known))

    @property
    def names(self) -> tuple[str, ...]:
        """The known names, in the order of registration."""
        return tuple(self.templates)

    def find(self, name: str) -> Template:
        """The template `name`, or a user's own, named `package.module:attribute`.

        Raises:
            UsageError: for an unknown name, and for an own template that bears a known one's name.
        """
        if is_reference(name):
            found, _ = import_reference(name, Template)  # type: ignore[type-abstract]  # mypy allows no protocol here
            return self.register(found).templates[found.name]
        if name not in self.templates:
            raise unknown_name("template", name, self.names)
        return self.templates[name]


def _profile(name: str, *heights: int) -> Profile:
    """A profile whose corners, of these `heights`, are spread evenly and lie on slots."""
    points = tuple((Fraction(index, len(heights) - 1), Fraction(height)) for index, height in enumerate(heights))
    return Profile(name=name, points=points, corners_on_slots=True)


BUILT_IN_TEMPLATES = TemplateRegistry().register(
    Base(),
    _profile("a", 0, 1),
    Uniform(name="b"),
    _profile("c", 1, 0),
    _profile("d", 0, 1, 0),
    _profile("e", 1, 0, 1),
)
"""The paper's templates: base, a (smooth step), b (uniform), c (reverse), d (centre bulge), e (centre waist)."""


def template_names() -> tuple[str, ...]:
    """Names of the built-in templates."""
    return BUILT_IN_TEMPLATES.names


def template(description: str | Mapping[str, object], *, registry: TemplateRegistry = BUILT_IN_TEMPLATES) -> Template:
    """The template that a sweep file describes.

    Args:
        description: a name known to the registry; a user's own as `package.module:attribute`; or inline, as
            `{name, points}` (a `Profile`) or `{name, widths}` (`ExplicitWidths`).
        registry: the templates known by name.

    Raises:
        UsageError: where the description names or describes no template.
    """
    from fdt_core.inline_template import inline_template

    if isinstance(description, str):
        return registry.find(description)
    found = inline_template(description)
    return registry.register(found).templates[found.name]
