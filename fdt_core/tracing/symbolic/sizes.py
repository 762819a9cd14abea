"""The symbolic sizes of tensors, kept beside their real shapes while a network is traced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from fdt_core.tracing.symbolic.widths import Product, Width

Sizes = tuple[int, ...]
"""The size of each dimension; symbolic where it depends on free widths."""

_SIZES = "_traced_sizes"
_FACTS = "_traced_facts"


class SymbolicShape(tuple[int, ...]):
    """What a traced tensor's `shape` and `size()` return: a tuple that also has what networks use of `torch.Size`."""

    def numel(self) -> int:
        """Number of elements."""
        return prod(self)

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return SymbolicShape(found) if isinstance(index, slice) else found


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The real shape. To be called where no tracer is active: outside one, or by one while it handles a call."""
    return tuple(tensor.shape)


def sizes_of(tensor: Tensor) -> Sizes:
    """The symbolic sizes; the real shape of a tensor that has none."""
    sizes: Sizes | None = getattr(tensor, _SIZES, None)
    return shape_of(tensor) if sizes is None else sizes


def has_sizes(tensor: Tensor) -> bool:
    """Whether the tensor has symbolic sizes."""
    return hasattr(tensor, _SIZES)


def set_sizes(tensor: Tensor, sizes: Sequence[int]) -> None:
    """Set the symbolic sizes.

    Raises:
        ValueError: if their values are not the tensor's shape.
    """
    shape = shape_of(tensor)
    if tuple(int(size) for size in sizes) != shape:
        raise ValueError(f"sizes {tuple(int(size) for size in sizes)} were derived for a tensor of shape {shape}")
    setattr(tensor, _SIZES, tuple(sizes))


def is_pooled(tensor: Tensor) -> bool:
    """Whether the tensor holds a value per map: features after global pooling, or what is computed from them."""
    return bool(getattr(tensor, _FACTS, (False, False))[0])


def is_of_image(tensor: Tensor) -> bool:
    """Whether the tensor depends on the image, and so is computed for every image."""
    return bool(getattr(tensor, _FACTS, (False, False))[1])


def set_facts(tensor: Tensor, *, pooled: bool, of_image: bool) -> None:
    """Record what `is_pooled` and `is_of_image` return."""
    setattr(tensor, _FACTS, (pooled, of_image))


def tensors_in(values: object) -> Iterator[Tensor]:
    """All tensors in nested arguments or results."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)


def plain(value: Any) -> Any:
    """`value` with every symbolic size replaced by its integer, for torch."""
    if isinstance(value, Width | Product):
        return int(value)
    if isinstance(value, torch.Size | Tensor | nn.Module):
        return value
    if isinstance(value, tuple):
        parts = [plain(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, slice):
        return slice(plain(value.start), plain(value.stop), plain(value.step))
    return value
