"""What defines an architecture: base filters per slot, and a plan that turns filters into layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.cost import Cost, cost_of
from fdt_core.networks.family import NetworkFamily
from fdt_core.networks.layers import Layer, check_connected
from fdt_core.scaling import scaled


class Plan(Protocol):
    """Turns the filters of each slot into the layers of the whole network."""

    def __call__(self, widths: tuple[int, ...], *, width: float, image: ImageShape) -> tuple[Layer, ...]:
        """The layers of a network for `image`.

        Adding filters must never lower the cost of the network, except when a residual block loses its projection:
        budget matching relies on this.

        Args:
            widths: filters of each slot, already scaled and matched.
            width: multiplier of the filters outside the slots, such as a stem's.
            image: the shape of the images and the number of classes.

        Raises:
            UsageError: if the image is too small.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A family of networks that differ only in the filters of each slot.

    Args:
        name: the name by which `architecture` finds it.
        base_widths: the original filters of each slot, at width 1.
        plan: creates the layers.

    Raises:
        UsageError: if there are no slots, or a slot has no filters.
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
            UsageError: if `width` is not positive.
        """
        if not width > 0:
            raise UsageError(f"the width multiplier must be positive, not {width:g}")
        return tuple(scaled(filters, width) for filters in self.base_widths)

    @property
    def least_filters(self) -> int | None:
        """None: the templates start from the smallest of the base filters."""
        return None

    def family(self, *, image: ImageShape, width: float) -> NetworkFamily:
        """The networks for images of one shape, at one width multiplier.

        Raises:
            UsageError: if `width` is not positive, the image is too small, or the layers of the plan do not fit
                together.
        """
        base = self.scaled_widths(width)
        base_plan = self.plan(base, width=width, image=image)
        check_connected(base_plan, image, self.name)

        def cost_at(filters: tuple[int, ...]) -> Cost:
            return cost_of(base_plan if filters == base else self.plan(filters, width=width, image=image))

        return NetworkFamily(base_filters=base, cost_of=cost_at)
