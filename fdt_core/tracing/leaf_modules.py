"""The leaf modules whose constructors take widths: convolutions, linear layers and normalisation layers.

A network is rebuilt at other widths by its own constructor, while the constructors of its leaf modules are wrapped: the
i-th leaf that is constructed gets other sizes than the network's code asks for. So the network initialises itself, at
the right sizes and in its own order, and no module is replaced afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

_INDEX = "_leaf_index"


@dataclass(frozen=True, kw_only=True)
class LeafSizes:
    """The widths of one leaf module. None where it has no such width.

    Args:
        inputs: channels (or features) that it reads.
        outputs: channels that it writes.
        groups: groups of a convolution.
    """

    inputs: int | None = None
    outputs: int | None = None
    groups: int | None = None


@dataclass(frozen=True, kw_only=True)
class _LeafKind:
    """A class of leaf modules, and the position and name of each width among the constructor's arguments."""

    module: type[nn.Module]
    inputs: tuple[int, str] | None = None
    outputs: tuple[int, str] | None = None
    groups: tuple[int, str] | None = None


_KINDS = (
    _LeafKind(module=_ConvNd, inputs=(0, "in_channels"), outputs=(1, "out_channels"), groups=(8, "groups")),
    _LeafKind(module=nn.Linear, inputs=(0, "in_features"), outputs=(1, "out_features")),
    _LeafKind(module=_NormBase, outputs=(0, "num_features")),
    _LeafKind(module=nn.LayerNorm, outputs=(0, "normalized_shape")),
    _LeafKind(module=nn.RMSNorm, outputs=(0, "normalized_shape")),
    _LeafKind(module=nn.GroupNorm, outputs=(1, "num_channels")),
)


def leaf_index(module: nn.Module) -> int | None:
    """The number of leaf modules constructed before `module`; None if it is not a leaf."""
    index: int | None = getattr(module, _INDEX, None)
    return index


@contextmanager
def leaf_constructors(sizes: Mapping[int, LeafSizes] | None = None, *, device: str | None = None) -> Iterator[None]:
    """Number the leaf modules that are constructed inside, and give them other sizes and another device.

    Args:
        sizes: the sizes of leaf modules by their index; the others are constructed as asked.
        device: where their parameters are created; None: as asked.
    """
    indices = count()
    originals = [(kind, kind.module.__init__) for kind in _KINDS]
    for kind, original in originals:
        kind.module.__init__ = _wrapped(kind, original, indices, sizes or {}, device)  # type: ignore[method-assign]  # on purpose
    try:
        yield
    finally:
        for kind, original in originals:
            kind.module.__init__ = original  # type: ignore[method-assign]  # on purpose


def _wrapped(
    kind: _LeafKind,
    original: Callable[..., None],
    indices: Iterator[int],
    sizes: Mapping[int, LeafSizes],
    device: str | None,
) -> Callable[..., None]:
    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        index, positional = next(indices), list(args)
        if device is not None:
            kwargs["device"] = device
        given = sizes.get(index, LeafSizes())
        for place, size in ((kind.inputs, given.inputs), (kind.outputs, given.outputs), (kind.groups, given.groups)):
            if place is not None and size is not None:
                position, name = place
                if position < len(positional):
                    positional[position] = size
                else:
                    kwargs[name] = size
        original(self, *positional, **kwargs)
        setattr(self, _INDEX, index)

    return construct
