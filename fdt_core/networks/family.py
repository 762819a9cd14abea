"""What budget matching chooses from: networks that differ only in their filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fdt_core.image import ImageShape
from fdt_core.networks.cost import Cost
from fdt_core.scaling import nearest_multiple

Filters = tuple[int, ...]
"""The filters of each slot."""


@dataclass(frozen=True, kw_only=True)
class NetworkFamily:
    """The networks of one model for images of one shape, at one width multiplier.

    Args:
        base_filters: the model's own filters, scaled.
        cost_of: the cost of the network with given filters. More filters never cost less, but where a residual block
            loses its projection.
        multiples: what the filters of each slot are a multiple of; empty if they can be any number.
    """

    base_filters: Filters
    cost_of: Callable[[Filters], Cost]
    multiples: Filters = ()

    def reachable(self, filters: Filters) -> Filters:
        """The filters that a network has if it is asked for `filters`."""
        if not self.multiples:
            return filters
        return tuple(nearest_multiple(*pair) for pair in zip(filters, self.multiples, strict=True))


class Model(Protocol):
    """A model that can be matched to a budget: a hand-written architecture, or a traced network."""

    @property
    def name(self) -> str:
        """Its name in the results."""
        ...

    @property
    def least_filters(self) -> int | None:
        """The minimum m of the templates, if it is not the smallest of the base filters."""
        ...

    def family(self, *, image: ImageShape, width: float) -> NetworkFamily:
        """Its networks for images of one shape, at one width multiplier.

        Raises:
            UsageError: if it has none, for instance because the image is too small.
        """
        ...
