"""The architectures by name.

VGG (Simonyan and Zisserman, 2015) and ResNet (He et al., 2016) in their usual form for small images: no large stem, one
linear layer after the pooled features. A user's architecture is named `package.module:attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from fdt_core.errors import unknown_name
from fdt_core.networks.architectures.architecture import Architecture
from fdt_core.networks.architectures.resnet import basic_resnet_plan, bottleneck_resnet_plan
from fdt_core.networks.architectures.vgg import vgg_plan
from fdt_core.references import import_reference, is_reference


def _repeated(values: tuple[int, ...], counts: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(value for value, count in zip(values, counts, strict=True) for _ in range(count))


def _vgg(name: str, *convolutions: int) -> Architecture:
    """A VGG of five groups of `convolutions[i]` convolutions, one slot per convolution."""
    widths = _repeated((64, 128, 256, 512, 512), convolutions)
    return Architecture(name=name, base_widths=widths, plan=partial(vgg_plan, convolutions=convolutions))


def _basic_resnet(name: str, *blocks: int) -> Architecture:
    """A ResNet of basic blocks, one slot per block."""
    widths = _repeated((64, 128, 256, 512), blocks)
    return Architecture(name=name, base_widths=widths, plan=partial(basic_resnet_plan, blocks=blocks))


def _bottleneck_resnet(name: str, *blocks: int) -> Architecture:
    """A ResNet of bottlenecks, two slots per block."""
    widths = _repeated((64, 128, 256, 512), tuple(2 * count for count in blocks))
    return Architecture(name=name, base_widths=widths, plan=partial(bottleneck_resnet_plan, blocks=blocks))


_BUILT_IN: Mapping[str, Architecture] = MappingProxyType(
    {
        built_in.name: built_in
        for built_in in (
            _vgg("vgg11", 1, 1, 2, 2, 2),
            _vgg("vgg13", 2, 2, 2, 2, 2),
            _vgg("vgg16", 2, 2, 3, 3, 3),
            _vgg("vgg19", 2, 2, 4, 4, 4),
            _basic_resnet("resnet18", 2, 2, 2, 2),
            _basic_resnet("resnet34", 3, 4, 6, 3),
            _bottleneck_resnet("resnet50", 3, 4, 6, 3),
            _bottleneck_resnet("resnet101", 3, 4, 23, 3),
            _bottleneck_resnet("resnet152", 3, 8, 36, 3),
        )
    }
)


def architecture_names() -> tuple[str, ...]:
    """Names of the built-in architectures."""
    return tuple(_BUILT_IN)


def architecture(name: str) -> Architecture:
    """The built-in architecture `name`, or a user's, named `package.module:attribute`.

    A user's module is looked up on Python's path, then in the current directory. The result's name is always `name`.

    Raises:
        UsageError: for an unknown name, or an attribute that is not an `Architecture`.
    """
    if is_reference(name):
        return replace(import_reference(name, Architecture)[0], name=name)
    if name not in _BUILT_IN:
        raise unknown_name("model", name, [*architecture_names(), "or your own as package.module:attribute"])
    return _BUILT_IN[name]
