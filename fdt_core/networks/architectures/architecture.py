"""What an architecture is: base filters per slot, and the plan that turns any filters into layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.layers import Layer
from fdt_core.scaling import scaled


class Plan(Protocol):
    """Turns the filters of each slot into the layers of the whole network."""

    def __call__(self, widths: tuple[int, ...], *, width: float, image: ImageShape) -> tuple[Layer, ...]:
        """The layers of a network for `image`.

        The cost of the network must not fall when filters are added, but where a residual block loses its projection.
        The search for a budget relies on it.

        Args:
            widths: filters of each slot, already scaled and matched.
            width: multiplier of whatever lies outside the slots, such as a stem.
            image: what the network reads and how many classes it tells apart.

        Raises:
            UsageError: where the image is too small.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A family of networks of one shape: all that differs between them is the filters of each slot.

    Args:
        name: what `architecture` finds it under.
        base_widths: the original filters of each slot, at width 1.
        plan: makes the layers.

    Raises:
        UsageError: where there are no slots, or one without filters.
    """

    name: str
    base_widths: tuple[int, ...]
    plan: Plan

    def __post_init__(self) -> None:
        if not self.base_widths or min(self.base_widths) < 1:
            raise UsageError(f"architecture {self.name!r}: base_widths must be one or more positive numbers")

    def scaled_widths(self, width: float) -> tuple[int, ...]:
        """The base filters times `width`, rounded half to even, at least 1.

        Raises:
            UsageError: where `width` is not positive.
        """
        if not width > 0:
            raise UsageError(f"the width multiplier must be positive, not {width:g}")
        return tuple(scaled(filters, width) for filters in self.base_widths)
