"""Rebuild a traced network at other widths, by its own constructor and its own initialisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fdt_core.errors import UsageError
from fdt_core.networks.convolution import use_right_kernels
from fdt_core.tracing.leaf_modules import LeafSizes, leaf_constructors
from fdt_core.tracing.seeded import seeded
from fdt_core.tracing.structure import AttributeSize, Size, Structure, value_of
from fdt_core.tracing.trace import Construct


def rebuild(
    construct: Construct, structure: Structure, widths: Sequence[int], *, seed: int = 0, device: str | None = None
) -> nn.Module:
    """Construct the traced network with these free widths, in training mode.

    Args:
        construct: calls the constructor that was traced.
        structure: the trace.
        widths: the value of each free width.
        seed: of all that the constructor draws. At base widths, the parameters are those that the library itself gives
            after `torch.manual_seed(seed)`.
        device: where it is built; `meta` needs no memory.
    """

    def value(size: Size | None) -> int | None:
        return None if size is None else value_of(size, widths)

    leaves = {
        leaf.index: LeafSizes(inputs=value(leaf.inputs), outputs=value(leaf.outputs), groups=value(leaf.groups))
        for leaf in structure.leaves
    }
    with seeded(seed), leaf_constructors(leaves, device=device):
        network = construct()
        if device is not None:
            network.to(device)
        for each in structure.tensors:
            _resize(network, each.name, tuple(value_of(size, widths) for size in each.sizes))
        for attribute in structure.attributes:
            _set_attribute(network, attribute, value_of(attribute.size, widths))
    return use_right_kernels(network).train()


def _resize(network: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    """Give a parameter or buffer that no leaf constructor sizes, such as a layer scale, its new shape."""
    path, _, key = name.rpartition(".")
    module = network.get_submodule(path)
    tensor = getattr(module, key)
    if tuple(tensor.shape) != shape:
        values = _initialised_alike(tensor.detach(), shape)
        is_parameter = isinstance(tensor, nn.Parameter)
        if values is None and not tensor.requires_grad:
            raise UsageError(
                f"the fixed values of {name} depend on its width, which tracing cannot change; an override `fixed` of "
                "the layers around it may help"
            )
        if values is None:
            values = _drawn_alike(tensor.detach(), shape)
        setattr(module, key, nn.Parameter(values, tensor.requires_grad) if is_parameter else values)


def _initialised_alike(tensor: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """A tensor of another shape that repeats `tensor`, which must be constant along the dimensions that change."""
    if tensor.is_meta or not tensor.numel():
        return tensor.new_empty(shape)
    changed = [dim for dim, (size, extent) in enumerate(zip(tensor.shape, shape, strict=True)) if size != extent]
    first = tensor
    for dim in changed:
        first = first.narrow(dim, 0, 1)
    if bool((first == tensor).all()):
        return first.expand(shape).clone()
    return None


def _drawn_alike(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Values of another shape, drawn with the mean and the standard deviation of `tensor`."""
    spread, centre = tensor.float().std(correction=0), tensor.float().mean()
    return (torch.randn(shape) * spread + centre).to(tensor.dtype)


def _set_attribute(network: nn.Module, attribute: AttributeSize, value: int) -> None:
    module = network.get_submodule(attribute.module)
    if attribute.index is None:
        setattr(module, attribute.name, value)
        return
    values = getattr(module, attribute.name)
    changed = [*values[: attribute.index], value, *values[attribute.index + 1 :]]
    setattr(module, attribute.name, type(values)(*changed) if hasattr(values, "_fields") else type(values)(changed))
