"""A network that was traced: its slots, its cost, and its construction at any filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition, PinnedModel
from fdt_core.networks.cost import Cost
from fdt_core.networks.family import NetworkFamily
from fdt_core.tracing.constructors import constructor, source_of
from fdt_core.tracing.slots import SlotChoice, choose_slots
from fdt_core.tracing.store import stored_trace
from fdt_core.tracing.structure import Structure, digest_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class TracedNetwork:
    """A network for images of one shape.

    Args:
        definition: its name, arguments and overrides.
        image: the shape of the images and the number of classes.
        source: the library and its version, or the digest of a user's module.
        structure: the trace.
        choice: its slots.
    """

    definition: ModelDefinition
    image: ImageShape
    source: str
    structure: Structure
    choice: SlotChoice

    @cached_property
    def pinned(self) -> PinnedModel:
        """What identifies its networks in a trial's identity."""
        return PinnedModel(
            definition=replace(self.definition, alias=None, least=None),
            source=self.source,
            structure=digest_of(self.structure.to_json(), repr(self.choice).encode()),
        )

    def cost(self, filters: Sequence[int], width: float) -> Cost:
        """The cost with these filters per slot."""
        return self.structure.formula.at(self.choice.free_widths(filters, width))

    def build(self, filters: Sequence[int], width: float, *, seed: int, device: str | None = None) -> nn.Module:
        """Build the network with these filters per slot, and weights that depend on nothing but `seed`.

        Raises:
            UsageError: if it does not have the MACs and parameters that its trace predicts, at these very filters.
        """
        from fdt_core.tracing.acceptance import built, counted

        construct, label = constructor(self.definition, self.image), self.definition.label
        widths = self.choice.free_widths(filters, width)
        counted(construct, self.structure, widths, self.image, label, seed=seed)
        return built(construct, self.structure, widths, label, seed=seed, device=device)


@dataclass(frozen=True, kw_only=True)
class TracedModel:
    """A model whose networks are traced: see `fdt_core.networks.family.Model`."""

    definition: ModelDefinition

    @property
    def name(self) -> str:
        """Its name in the results."""
        return self.definition.label

    @property
    def least_filters(self) -> int | None:
        """The minimum m of the templates, if the definition has one."""
        return self.definition.least

    def network(self, image: ImageShape) -> TracedNetwork:
        """The traced network for images of one shape.

        Raises:
            UsageError: if there is no such network, or it cannot be used: one message that names the module.
        """
        return traced_network(self.definition, image)

    def family(self, *, image: ImageShape, width: float) -> NetworkFamily:
        """The networks for images of one shape, at one width multiplier. Raises UsageError as `network` does."""
        network = self.network(image)
        return NetworkFamily(
            base_filters=network.choice.base_filters(width),
            cost_of=lambda filters: network.cost(filters, width),
            multiples=tuple(slot.multiple for slot in network.choice.slots),
        )


def pinned_network(pinned: PinnedModel, image: ImageShape) -> TracedNetwork:
    """The network that a trial was planned with.

    Raises:
        EnvironmentProblem: if this machine has another one: another version of its library or of its source.
        UsageError: as `traced_network` does.
    """
    network = traced_network(pinned.definition, image)
    found = network.pinned
    if found != pinned:
        versions = f"it was planned with {pinned.source}, and here is {found.source}"
        raise EnvironmentProblem(
            f"{pinned.definition.name} is another network than the one that was planned"
            f"{f': {versions}' if found.source != pinned.source else ''}; install the same version, or plan again"
        )
    return network


def traced_network(definition: ModelDefinition, image: ImageShape) -> TracedNetwork:
    """The network that `definition` names, for images of one shape, traced unless that was done before.

    Raises:
        UsageError: if there is no such network, or it cannot be used: one message that names the module.
    """
    return _traced_network(_Key(definition, image))


class _Key:
    """Arguments of `traced_network`, equal if their text is: those of a definition cannot be hashed."""

    def __init__(self, definition: ModelDefinition, image: ImageShape) -> None:
        self.definition, self.image = definition, image
        self._text = repr((definition, image))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=64)
def _traced_network(key: _Key) -> TracedNetwork:
    definition, image = key.definition, key.image
    source = source_of(definition.name)
    structure = stored_trace(definition, image, source, lambda: accepted_trace(definition, image))
    return TracedNetwork(
        definition=definition,
        image=image,
        source=source,
        structure=structure,
        choice=choose_slots(structure, definition),
    )


def accepted_trace(definition: ModelDefinition, image: ImageShape) -> Structure:
    """Trace a network and check it. torch is imported only here."""
    from fdt_core.tracing.acceptance import require_acceptable
    from fdt_core.tracing.trace import trace

    construct = constructor(definition, image)
    structure = trace(construct, image, definition.label)
    require_acceptable(construct, structure, choose_slots(structure, definition), image, definition.label)
    return structure
