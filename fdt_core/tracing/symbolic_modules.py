"""Give every width of a network a variable: sizes of its parameters, and integers that its forward pass reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from fdt_core.tracing.leaf_modules import LeafSizes, leaf_index
from fdt_core.tracing.symbolic.sizes import Sizes, has_sizes, set_sizes, shape_of, sizes_of
from fdt_core.tracing.symbolic.width_system import WidthSystem

_WIDTH_NAME = re.compile(r"(^|_)(width|widths|chs|channels?|dims?|features|planes|num_chs|c)($|_)")
_WIDTHS_NAME = re.compile(r"split|chs|channels|width|sizes|shape")
"""Attributes of modules that hold widths: their forward passes read them. (timm's `num_chs`, `dim`, `splits`, ...)"""


@dataclass(frozen=True, kw_only=True)
class WidthAttribute:
    """An integer attribute of a module, or an element of a list, that may be a width."""

    module: str
    name: str
    index: int | None
    size: int


@dataclass(frozen=True, kw_only=True)
class SymbolicNetwork:
    """Where a network's widths are. Sizes are symbolic.

    Args:
        leaves: the widths of leaf modules, by their order of construction.
        tensors: sizes of all parameters and buffers, by dotted name.
        attributes: integers that are set after construction.
    """

    leaves: dict[int, LeafSizes]
    tensors: dict[str, Sizes]
    attributes: tuple[WidthAttribute, ...]


def make_symbolic(network: nn.Module, system: WidthSystem) -> SymbolicNetwork:
    """Replace every width in `network`, which is on the meta device, by a variable of `system`."""
    leaves: dict[int, LeafSizes] = {}
    tensors: dict[str, Sizes] = {}
    attributes: list[WidthAttribute] = []
    for name, module in network.named_modules():
        system.enter(name)
        known: tuple[int, ...] = ()
        index = leaf_index(module)
        if index is not None:
            sizes = _make_leaf_symbolic(module, system)
            _record(leaves, index, sizes, system)
            known = tuple(size for size in (sizes.outputs,) if size is not None)
        else:
            attributes += _make_attributes_symbolic(name, module, system)
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                if not has_sizes(tensor):
                    set_sizes(tensor, _parameter_sizes(tensor, known, system))
                tensors[f"{name}.{key}" if name else key] = sizes_of(tensor)
    return SymbolicNetwork(leaves=leaves, tensors=tensors, attributes=tuple(attributes))


def _record(leaves: dict[int, LeafSizes], index: int, sizes: LeafSizes, system: WidthSystem) -> None:
    """Record a leaf's sizes. Copies of one constructed module share their index, and so their sizes."""
    if (same := leaves.setdefault(index, sizes)) is not sizes:
        for one, other in (
            (same.inputs, sizes.inputs),
            (same.outputs, sizes.outputs),
            (same.groups, sizes.groups),
        ):
            if one is not None and other is not None:
                system.tie(one, other, "copies of one module")


def _make_leaf_symbolic(module: Any, system: WidthSystem) -> LeafSizes:
    """Make the widths of a leaf module and of its weight symbolic."""
    if isinstance(module, _ConvNd):
        return _make_convolution_symbolic(module, system)
    if isinstance(module, nn.Linear):
        module.in_features, module.out_features = system.new(module.in_features), system.new(module.out_features)
        set_sizes(module.weight, (module.out_features, module.in_features))
        return LeafSizes(inputs=module.in_features, outputs=module.out_features)
    if isinstance(module, _NormBase):
        module.num_features = system.new(module.num_features)
        return LeafSizes(outputs=module.num_features)
    if isinstance(module, nn.GroupNorm):
        module.num_channels = system.new(module.num_channels)
        return LeafSizes(outputs=module.num_channels)
    if len(module.normalized_shape) > 1:
        return LeafSizes()
    (channels,) = (system.new(size) for size in module.normalized_shape)
    module.normalized_shape = (channels,)
    return LeafSizes(outputs=channels)


def _make_convolution_symbolic(module: _ConvNd, system: WidthSystem) -> LeafSizes:
    """A depthwise convolution has as many groups as channels; the groups of any other stay."""
    groups = module.groups
    if 1 < groups == module.in_channels:
        module.groups = inputs = system.new(groups)
        outputs, per_group = inputs * (module.out_channels // groups), 1
    else:
        per_group = system.new(module.in_channels // groups)
        inputs, outputs = per_group * groups, system.new(module.out_channels // groups) * groups
    module.in_channels, module.out_channels = inputs, outputs
    channels = (inputs, outputs // module.groups) if module.transposed else (outputs, per_group)
    set_sizes(module.weight, (*channels, *shape_of(module.weight)[2:]))
    return LeafSizes(inputs=inputs, outputs=outputs, groups=module.groups)


def _parameter_sizes(tensor: Tensor, known: tuple[int, ...], system: WidthSystem) -> Sizes:
    """Sizes of a parameter: that of its leaf module, or new variables; the height and width of a kernel stay."""
    shape = shape_of(tensor)
    free = 2 if len(shape) == 4 else len(shape)
    return tuple(
        next((size for size in known if int(size) == extent), None) or system.new(extent) if dim < free else extent
        for dim, extent in enumerate(shape)
    )


def _make_attributes_symbolic(name: str, module: nn.Module, system: WidthSystem) -> list[WidthAttribute]:
    """Make the integers of a module symbolic whose names say that they are widths."""
    found = []
    for key, value in list(vars(module).items()):
        if key.startswith("_") or isinstance(value, bool):
            continue
        if isinstance(value, int) and value > 1 and _WIDTH_NAME.search(key):
            size = system.new(value)
            setattr(module, key, size)
            found.append(WidthAttribute(module=name, name=key, index=None, size=size))
        elif _is_list_of_sizes(value) and _WIDTHS_NAME.search(key):
            sizes = [system.new(size) for size in value]
            setattr(module, key, type(value)(*sizes) if hasattr(value, "_fields") else type(value)(sizes))
            found += [WidthAttribute(module=name, name=key, index=i, size=s) for i, s in enumerate(sizes)]
    return found


def _is_list_of_sizes(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(type(size) is int and size > 0 for size in value)
