"""A traced network as plain data: its free widths, its layers, its cost, and what a rebuilt network must be given.

This module does not import torch: a structure that was traced once is all that planning needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from fdt_core.networks.cost import Cost, memory_mb

_PLAIN = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class Expression:
    """A linear expression of the free widths: the sum of coefficient times width, plus a constant.

    Args:
        terms: pairs of the index of a free width and its coefficient.
        constant: what does not depend on the widths.
    """

    terms: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    def at(self, widths: Sequence[int]) -> int:
        """The value for a choice of all free widths."""
        return self.constant + sum(coefficient * widths[index] for index, coefficient in self.terms)


Size = tuple[Expression, ...]
"""A size: the product of its factors."""


def value_of(size: Size, widths: Sequence[int]) -> int:
    """The value of a size for a choice of all free widths."""
    return prod(factor.at(widths) for factor in size)


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class Monomial:
    """A coefficient times a product of expressions, named by their indices in the formula."""

    coefficient: int
    factors: tuple[int, ...]


Polynomial = tuple[Monomial, ...]


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class CostFormula:
    """Each cost of a network for one image as a polynomial of its free widths.

    Args:
        expressions: the distinct expressions that the polynomials multiply.
        params: trainable parameters.
        macs: multiply-accumulates.
        normalised: outputs of normalisation layers.
        activated: outputs of activations.
        pooled: inputs of pooling.
        activations: outputs of all layers and sums.
    """

    expressions: tuple[Expression, ...]
    params: Polynomial
    macs: Polynomial
    normalised: Polynomial
    activated: Polynomial
    pooled: Polynomial
    activations: Polynomial

    def at(self, widths: Sequence[int]) -> Cost:
        """The cost for a choice of all free widths."""
        values = [expression.at(widths) for expression in self.expressions]

        def total(polynomial: Polynomial) -> int:
            result = 0
            for term in polynomial:
                product = term.coefficient
                for index in term.factors:
                    product *= values[index]
                result += product
            return result

        params, macs, activations = total(self.params), total(self.macs), total(self.activations)
        other = 2 * total(self.normalised) + total(self.activated) + total(self.pooled)
        return Cost(
            params=params,
            macs=macs,
            paper_flops=macs + other,
            memory_mb=memory_mb(params, activations),
            activations=activations,
        )


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class TracedLayer:
    """A convolution or linear layer, in the order of execution.

    Args:
        module: its dotted name.
        reads: channels of its input.
        writes: channels of its output.
        convolution: whether it is a convolution.
        depthwise: whether each filter reads one channel only.
        pooled: whether it reads features after global pooling.
    """

    module: str
    reads: Size
    writes: Size
    convolution: bool
    depthwise: bool
    pooled: bool


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class LeafWidths:
    """The sizes that the constructor of one leaf module is given when the network is rebuilt.

    Args:
        index: the number of leaf modules that are constructed before it.
        inputs: channels or features that it reads; None if it has no such size.
        outputs: channels or features that it writes.
        groups: groups of a convolution.
    """

    index: int
    inputs: Size | None
    outputs: Size | None
    groups: Size | None


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class TensorSizes:
    """The sizes of a parameter or buffer that depends on the free widths."""

    name: str
    sizes: tuple[Size, ...]


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class AttributeSize:
    """An integer attribute of a module, or the element `index` of a list, that depends on the free widths."""

    module: str
    name: str
    index: int | None
    size: Size


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class HeldWidth:
    """Widths that an operation holds: at their base values, or (`proportional`) in their base proportions."""

    sizes: tuple[int, ...]
    operation: str
    module: str
    proportional: bool


@dataclass(frozen=True, kw_only=True, config=_PLAIN)
class Structure:
    """A traced network.

    Args:
        base: the value of each free width in the network as its library builds it.
        layers: its convolutions and linear layers.
        formula: its cost.
        leaves: sizes of its leaf modules.
        tensors: sizes of parameters and buffers.
        attributes: integers that its forward pass reads.
        held: widths that are not free, and why.
    """

    base: tuple[int, ...]
    layers: tuple[TracedLayer, ...]
    formula: CostFormula
    leaves: tuple[LeafWidths, ...]
    tensors: tuple[TensorSizes, ...]
    attributes: tuple[AttributeSize, ...]
    held: tuple[HeldWidth, ...]

    def to_json(self) -> bytes:
        """JSON in a fixed order."""
        return _ADAPTER.dump_json(self)

    @classmethod
    def from_json(cls, text: bytes) -> Structure:
        """The inverse of `to_json`. Raises pydantic's ValidationError (a ValueError) for anything else."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(Structure)


def digest_of(*parts: bytes) -> str:
    """The SHA-256 of `parts`, in hexadecimal digits."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
