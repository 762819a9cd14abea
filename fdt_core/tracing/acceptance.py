"""Accept a traced network only if what is rebuilt from the trace has the predicted cost, and trains."""

from __future__ import annotations

import itertools
import random
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fdt_core.error_text import error_line
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.tracing.operations.tracer import reporting_modules
from fdt_core.tracing.rebuild import rebuild
from fdt_core.tracing.seeded import seeded
from fdt_core.tracing.slots import SlotChoice
from fdt_core.tracing.structure import Structure, value_of
from fdt_core.tracing.trace import Construct, failed_on

_NARROW = ((0.1, 0.4),)
"""The range of the random widths of the network that takes a step on the CPU, as parts of the base widths."""

_ALTERNATING = (((0.5, 0.7), (1.3, 1.6)), ((1.3, 1.6), (0.5, 0.7)))
"""Ranges for the two networks that are counted: every slot is much wider in one, and much narrower in the other, than
the slots before and after it. So a network whose layers must not narrow, say, is found out."""

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
"""A part of a dotted name that is a number: the position of a block."""

_BATCH = 2
"""Images of the step: BatchNorm needs two values per channel."""


def require_acceptable(
    construct: Construct, structure: Structure, choice: SlotChoice, image: ImageShape, label: str
) -> None:
    """Rebuild a network at random widths: count two, and train a narrow one for one step.

    Raises:
        UsageError: if it cannot be built, if its MACs or parameters are not as predicted, or if a forward or backward
            pass fails. The message names the module, and the override that may help.
    """
    for seed, parts in enumerate(_ALTERNATING, start=1):
        counted(construct, structure, random_widths(choice, 1, parts), image, label, seed=seed)
    narrow = built(construct, structure, random_widths(choice, 2, _NARROW), label)
    _require_a_step(narrow, structure, image, label)


def random_widths(choice: SlotChoice, seed: int, parts: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """The free widths for random filters of every slot, within parts of its base filters; the ranges take turns."""
    draw = random.Random(seed)
    turns = zip(choice.slots, itertools.cycle(parts))
    return choice.free_widths([max(1, round(slot.base * draw.uniform(*range_))) for slot, range_ in turns], 1.0)


def counted(
    construct: Construct, structure: Structure, widths: Sequence[int], image: ImageShape, label: str, *, seed: int
) -> None:
    """Rebuild a network on the meta device, and count it.

    Raises:
        UsageError: if it cannot be built, or its MACs or parameters are not those that its trace predicts.
    """
    network = built(construct, structure, widths, label, seed=seed, device="meta")
    predicted = structure.formula.at(widths)
    params = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    if params != predicted.params:
        raise UsageError(
            f"{label} has {params:,} parameters when it is rebuilt, not {predicted.params:,} as its trace predicts"
            f"{_first_difference(network, structure, widths)}"
        )
    batch = torch.empty(1, image.channels, image.size, image.size, device="meta")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        _run(network.eval(), structure, batch, image, label)
    macs = counter.get_total_flops() // 2
    if macs != predicted.macs:
        raise UsageError(
            f"{label} has {macs:,} MACs when it is rebuilt, not {predicted.macs:,} as its trace predicts: its forward "
            f"pass depends on its widths or on chance, or has operations that tracing does not count"
            f"{_held_operations(structure)}"
        )


def built(
    construct: Construct,
    structure: Structure,
    widths: Sequence[int],
    label: str,
    *,
    seed: int = 0,
    device: str | None = None,
) -> nn.Module:
    """Rebuild a network. Raises UsageError if its constructor fails at these widths."""
    try:
        return rebuild(construct, structure, widths, seed=seed, device=device)
    except UsageError:
        raise
    except Exception as error:  # a constructor may raise anything
        raise UsageError(
            f"{label} cannot be built at other widths: {error_line(error)}; "
            "an override `fixed` of the layers it is about may help"
        ) from error


def _held_operations(structure: Structure) -> str:
    """A clause that names operations which hold their sizes; tracing has no better rule for them."""
    layers = {layer.module for layer in structure.layers}
    found = [
        f"{held.operation} in {held.module or 'the network'}" for held in structure.held if held.module not in layers
    ]
    return f" ({', '.join(list(dict.fromkeys(found))[:3])}, perhaps)" if found else ""


def _first_difference(network: nn.Module, structure: Structure, widths: Sequence[int]) -> str:
    """A clause that names the first parameter whose shape is not the predicted one."""
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    for each in structure.tensors:
        expected = tuple(value_of(size, widths) for size in each.sizes)
        if (found := shapes.get(each.name, expected)) != expected:
            return f": {each.name} has the shape {found}, not {expected}; an override `fixed` of its layer may help"
    return ""


def _require_a_step(network: nn.Module, structure: Structure, image: ImageShape, label: str) -> None:
    with seeded(0):
        images = torch.randn(_BATCH, image.channels, image.size, image.size)
        logits = _run(network.train(), structure, images, image, label)
    if not isinstance(logits, Tensor) or logits.shape != (_BATCH, image.classes):
        raise UsageError(f"{label} does not return one tensor of {image.classes} values per image while training")
    try:
        torch.autograd.backward(F.cross_entropy(logits, torch.zeros(_BATCH, dtype=torch.int64)))
    except Exception as error:
        raise UsageError(f"{label} cannot be trained: {error_line(error)}") from error


def _run(network: nn.Module, structure: Structure, images: Tensor, image: ImageShape, label: str) -> Tensor:
    running = [""]
    try:
        # stdout may be a table or JSON, so what the network prints goes to stderr.
        with redirect_stdout(sys.stderr), reporting_modules(network, lambda name: running.__setitem__(0, name)):
            logits: Tensor = network(images)
    except Exception as error:  # a network may raise anything
        raise UsageError(
            f"{label} at other widths {failed_on(image, running[0], error)}{_advice(structure, running[0])}"
        ) from error
    return logits


def _advice(structure: Structure, module: str) -> str:
    """A clause with an override that may help: to keep the filters of the last layer of every such module."""
    layers = [layer.module for layer in structure.layers if f"{layer.module}.".startswith(f"{module}.")]
    if not module or not layers:
        return ""
    return f"; an override `fixed: ['{_NUMBER.sub('*', layers[-1])}']` may help"
