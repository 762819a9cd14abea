"""The architectures: base filters per slot, and the plan that turns any filters into layers.

VGG (Simonyan and Zisserman, 2015) and ResNet (He et al., 2016) in the form usual for small images: no large stem, one
linear layer behind the pooled features. A user's own architecture is named `package.module:attribute`.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Protocol

from fdt_core.errors import UsageError, unknown_name
from fdt_core.image import ImageShape
from fdt_core.layers import Layer
from fdt_core.references import import_reference, is_reference
from fdt_core.resnet import basic_resnet_plan, bottleneck_resnet_plan
from fdt_core.scaling import scaled
from fdt_core.vgg import vgg_plan


class Plan(Protocol):
    """Turns the filters of each slot into the layers of the whole network."""

    def __call__(self, widths: tuple[int, ...], *, width: float, image: ImageShape) -> tuple[Layer, ...]:
        """The layers of a network for `image`.

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
    """

    name: str
    base_widths: tuple[int, ...]
    plan: Plan

    def __post_init__(self) -> None:
        if not self.base_widths or min(self.base_widths) < 1:
            raise UsageError(f"architecture {self.name!r}: base_widths must be one or more positive numbers")

    def scaled_widths(self, width: float) -> tuple[int, ...]:
        """The base filters times `width`, rounded half to even, at least 1."""
        return tuple(scaled(filters, width) for filters in self.base_widths)


def _vgg(name: str, convolutions: tuple[int, ...]) -> Architecture:
    """A VGG of five groups of `convolutions` each; the filters double from group to group up to 512."""
    widths = _repeated((64, 128, 256, 512, 512), convolutions)
    return Architecture(name=name, base_widths=widths, plan=partial(vgg_plan, convolutions=convolutions))


def _basic_resnet(name: str, blocks: tuple[int, ...]) -> Architecture:
    """A ResNet of basic blocks: a slot per block, the filters of its first convolution."""
    widths = _repeated((64, 128, 256, 512), blocks)
    return Architecture(name=name, base_widths=widths, plan=partial(basic_resnet_plan, blocks=blocks))


def _bottleneck_resnet(name: str, blocks: tuple[int, ...]) -> Architecture:
    """A ResNet of bottlenecks: two slots per block, the filters of its first two convolutions."""
    widths = _repeated((64, 128, 256, 512), tuple(2 * count for count in blocks))
    return Architecture(name=name, base_widths=widths, plan=partial(bottleneck_resnet_plan, blocks=blocks))


def _repeated(values: tuple[int, ...], counts: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(value for value, count in zip(values, counts, strict=True) for _ in range(count))


_BUILT_IN: Mapping[str, Architecture] = MappingProxyType(
    {
        built_in.name: built_in
        for built_in in (
            _vgg("vgg11", (1, 1, 2, 2, 2)),
            _vgg("vgg13", (2, 2, 2, 2, 2)),
            _vgg("vgg16", (2, 2, 3, 3, 3)),
            _vgg("vgg19", (2, 2, 4, 4, 4)),
            _basic_resnet("resnet18", (2, 2, 2, 2)),
            _basic_resnet("resnet34", (3, 4, 6, 3)),
            _bottleneck_resnet("resnet50", (3, 4, 6, 3)),
            _bottleneck_resnet("resnet101", (3, 4, 23, 3)),
            _bottleneck_resnet("resnet152", (3, 8, 36, 3)),
        )
    }
)


def architecture_names() -> tuple[str, ...]:
    """Names of the built-in architectures."""
    return tuple(_BUILT_IN)


def architecture(name: str) -> Architecture:
    """The built-in architecture `name`, or a user's own, named `package.module:attribute`.

    A user's module is looked for as Python does, then in the current directory. The result's name is always `name`.

    Raises:
        UsageError: for an unknown name, or an attribute that is not an `Architecture`.
    """
    if is_reference(name):
        return replace(import_reference(name, Architecture)[0], name=name)
    if name not in _BUILT_IN:
        raise unknown_name("model", name, [*architecture_names(), "or your own as package.module:attribute"])
    return _BUILT_IN[name]


def source_digest(name: str) -> str:
    """The SHA-256 of the source of the module that a user's own architecture `name` is in; "" for a built-in one.

    Raises:
        UsageError: as `architecture` does.
    """
    if not is_reference(name):
        return ""
    _, module = import_reference(name, Architecture)
    return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()
