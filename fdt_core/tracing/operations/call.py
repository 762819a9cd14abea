"""One call of a torch function while a network is traced, as the rules see it; and what it adds to the cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from torch import Tensor

from fdt_core.tracing.symbolic.sizes import Sizes, shape_of, sizes_of
from fdt_core.tracing.symbolic.width_system import WidthSystem
from fdt_core.tracing.symbolic.widths import is_symbolic


class OperationKind(StrEnum):
    """How an operation counts in the cost of a network (see `fdt_core.tracing.structure.CostFormula`)."""

    LAYER = "layer"
    """A convolution or a linear layer."""
    PRODUCT = "product"
    """A product of two matrices that both depend on the image, as in attention."""
    NORM = "norm"
    ACTIVATION = "activation"
    POOL = "pool"
    SUM = "sum"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation whose cost depends on the widths. Sizes may be symbolic.

    Args:
        kind: how it counts.
        module: dotted name of the module that ran it.
        inputs: sizes of its (first) input.
        outputs: sizes of its output.
        macs: factors whose product is its multiply-accumulates for one image; empty if it has none.
        reads: channels of its input, for a layer.
        writes: channels of its output, for a layer.
        convolution: whether a layer is a convolution.
        depthwise: whether each of a layer's filters reads one channel only.
        pooled: whether it reads features after global pooling.
        of_image: whether its result depends on the image.
    """

    kind: OperationKind
    module: str
    inputs: Sizes
    outputs: Sizes
    macs: Sizes = ()
    reads: int = 1
    writes: int = 1
    convolution: bool = False
    depthwise: bool = False
    pooled: bool = False
    of_image: bool = True


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the torch function `name`.

    Args:
        name: its name without underscores at the ends.
        args: its arguments, with symbolic sizes.
        kwargs: likewise.
        inputs: the tensors among them.
        outputs: the tensors that it returned.
        system: the equations of the network.
        pooled: whether its input is pooled.
        of_image: whether its input depends on the image.
        operations: what it adds to the cost is appended here.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    system: WidthSystem
    pooled: bool
    of_image: bool
    operations: list[Operation] = field(default_factory=list)

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """The argument at position `index`, or named `name`."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)

    def integers(self, index: int, name: str) -> tuple[int, ...]:
        """Integers given one by one from position `index` on, or as one list."""
        given = self.args[index:] or (self.kwargs.get(name, ()),)
        return tuple(given) if isinstance(given[0], int) else tuple(given[0])

    def input_sizes(self) -> list[int]:
        """The sizes of the first argument."""
        return list(sizes_of(self.argument(0, "input")))

    def output_shape(self) -> tuple[int, ...]:
        """The real shape of the first result."""
        return shape_of(self.outputs[0])

    def tie(self, one: int, other: int) -> None:
        """Require two sizes to be equal, if either depends on the widths."""
        if is_symbolic(one) or is_symbolic(other):
            self.system.tie(one, other, self.name)

    def hold(self, sizes: Iterable[int]) -> None:
        """Hold sizes at their base values, because the operation cannot have others."""
        for size in sizes:
            self.system.freeze(size, self.name)

    def add(self, kind: OperationKind, inputs: Sequence[int], outputs: Sequence[int], **facts: Any) -> None:
        """Record what the call costs."""
        self.operations.append(
            Operation(
                kind=kind,
                module=self.system.where,
                inputs=tuple(inputs),
                outputs=tuple(outputs),
                pooled=self.pooled,
                of_image=self.of_image,
                **facts,
            )
        )


Rule = Callable[[Call], Sequence[Sequence[int]]]
"""Derives the sizes of each result of a call."""


def held_shapes(call: Call) -> list[tuple[int, ...]]:
    """The rule for what no other rule covers: nothing that goes in may change its size."""
    for tensor in call.inputs:
        call.hold(sizes_of(tensor))
    return [shape_of(tensor) for tensor in call.outputs]
