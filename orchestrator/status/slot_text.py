"""The slots of a model as text and as plain data: which layers they are, what follows them, and what stays fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction

from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.models import find_model
from fdt_core.tracing.structure import HeldWidth
from fdt_core.tracing.traced_network import TracedModel, TracedNetwork

_MODULES_SHOWN = 4


def slots_text(definition: ModelDefinition, image: ImageShape) -> str:
    """Every width of a model: slots in their order, the widths that follow them, and those that stay fixed.

    Raises:
        UsageError: if there is no such model, or it cannot be used.
    """
    model = find_model(definition)
    if not isinstance(model, TracedModel):
        base = model.family(image=image, width=1.0).base_filters
        filters = " ".join(str(each) for each in base)
        return f"{model.name}: {len(base)} slots, which its plan defines (see the docs); base filters {filters}"
    return "\n".join(_lines(model.network(image)))


def slots_json(definition: ModelDefinition, image: ImageShape) -> dict[str, object]:
    """The same as plain data."""
    model = find_model(definition)
    if not isinstance(model, TracedModel):
        return {"model": model.name, "base": list(model.family(image=image, width=1.0).base_filters)}
    network = model.network(image)
    choice = network.choice
    return {
        "model": model.name,
        "source": network.source,
        "slots": [
            {
                **asdict(slot),
                "followers": [
                    {"modules": list(each.modules), "ratio": str(_ratio(network, each.width, index))}
                    for each in choice.followers
                    if each.slot == index
                ],
            }
            for index, slot in enumerate(choice.slots)
        ],
        "fixed": [asdict(fixed) | {"base": choice.base[fixed.width]} for fixed in choice.fixed],
        "held": [asdict(held) for held in network.structure.held],
    }


def _lines(network: TracedNetwork) -> Iterator[str]:
    choice, image = network.choice, network.image
    cost = network.cost(choice.base_filters(1.0), 1.0)
    shape = f"{image.channels} x {image.size} x {image.size}"
    yield (
        f"{network.definition.label} ({_short(network.source)}), images of {shape}: "
        f"{len(choice.slots)} slots, {cost.params:,} parameters, {cost.macs:,} MACs"
    )
    yield "slot  base  multiple  layers"
    for index, slot in enumerate(choice.slots):
        yield f"{index:4} {slot.base:5} {slot.multiple:9}  {_shown(slot.modules)}"
        for follower in choice.followers:
            if follower.slot == index and follower.modules:
                yield f"{'':22}{_ratio(network, follower.width, index)} of it: {_shown(follower.modules)}"
    if choice.fixed:
        yield "fixed (the width multiplier changes them, no template does):"
    for fixed in choice.fixed:
        yield f"{choice.base[fixed.width]:10}            {_shown(fixed.modules)}: {fixed.reason}"
    held = [each for each in network.structure.held if not _is_of_the_task(each, network)]
    if held:
        yield "held by operations that allow no other size:"
    for each in held:
        sizes = ", ".join(str(size) for size in each.sizes)
        yield f"{sizes:>10}            {each.operation} in {each.module or 'the network itself'}" + (
            ": kept in this proportion" if each.proportional else ""
        )


def _short(source: str) -> str:
    """The source with a digest cut to twelve digits."""
    kind, _, version = source.partition(" ")
    return f"{kind} {version[:12]}"


def _ratio(network: TracedNetwork, width: int, slot: int) -> Fraction:
    """The filters of a width that follows a slot, as a part of the slot's filters."""
    base, leader = network.choice.base, network.choice.slots[slot]
    return Fraction(base[width], leader.base)


def _is_of_the_task(held: HeldWidth, network: TracedNetwork) -> bool:
    """Whether the data set decides the width: the channels of the images and the number of classes."""
    first = network.structure.layers[0].module
    return held.operation == "the number of classes" or (
        held.module == first and held.sizes == (network.image.channels,)
    )


def _shown(modules: Sequence[str]) -> str:
    if len(modules) <= _MODULES_SHOWN:
        return ", ".join(modules) or "(no layer)"
    return f"{', '.join(modules[:_MODULES_SHOWN])} and {len(modules) - _MODULES_SHOWN} more"
