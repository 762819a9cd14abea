"""Layers as plain data: the one description of a network, from which both its cost and its module are made.

A layer plan is a tuple of layers applied in order. Each layer knows the shape it reads and derives the shape it writes,
so that the cost of a plan is known without building it. This module does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The feature maps of one image: `channels` square maps of `size` x `size`."""

    channels: int
    size: int

    @property
    def elements(self) -> int:
        """Number of values."""
        return self.channels * self.size * self.size

    def __str__(self) -> str:
        return f"{self.channels} maps of {self.size}x{self.size}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Conv:
    """A convolution with a square, odd kernel and no bias, padded so that stride 1 keeps the size."""

    input: Shape
    filters: int
    kernel: int = 3
    stride: int = 1

    @property
    def output(self) -> Shape:
        """`filters` maps, smaller by the stride (rounded up)."""
        return Shape(channels=self.filters, size=(self.input.size - 1) // self.stride + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchNorm:
    """Batch normalisation with a learned scale and shift per channel (Ioffe and Szegedy, 2015)."""

    input: Shape

    @property
    def output(self) -> Shape:
        """The input's shape."""
        return self.input


@dataclass(frozen=True, kw_only=True, slots=True)
class ReLU:
    """The rectifier."""

    input: Shape

    @property
    def output(self) -> Shape:
        """The input's shape."""
        return self.input


@dataclass(frozen=True, kw_only=True, slots=True)
class MaxPool:
    """Maxima of non-overlapping `window` x `window` patches; incomplete patches at the edge are dropped."""

    input: Shape
    window: int = 2

    @property
    def output(self) -> Shape:
        """The same number of maps, smaller by the window (rounded down)."""
        return Shape(channels=self.input.channels, size=self.input.size // self.window)


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalAveragePool:
    """The mean of each map."""

    input: Shape

    @property
    def output(self) -> Shape:
        """One value per map."""
        return Shape(channels=self.input.channels, size=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """A fully connected layer with bias; it reads all values of its input and writes `outputs` values."""

    input: Shape
    outputs: int

    @property
    def output(self) -> Shape:
        """`outputs` maps of one value."""
        return Shape(channels=self.outputs, size=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Residual:
    """The sum of a body and a shortcut (He et al., 2016). An empty shortcut is the identity.

    Raises:
        UsageError: if body and shortcut write different shapes.
    """

    input: Shape
    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        added = self.shortcut[-1].output if self.shortcut else self.input
        if self.body[-1].output != added:
            raise UsageError(f"a residual body writes {self.body[-1].output}, but its shortcut {added}")

    @property
    def output(self) -> Shape:
        """The shape of the sum."""
        return self.body[-1].output


Layer = Conv | BatchNorm | ReLU | MaxPool | GlobalAveragePool | Linear | Residual


def conv_norm(input: Shape, filters: int, *, kernel: int = 3, stride: int = 1) -> tuple[Layer, ...]:
    """A convolution and its batch normalisation."""
    conv = Conv(input=input, filters=filters, kernel=kernel, stride=stride)
    return (conv, BatchNorm(input=conv.output))


def conv_norm_relu(input: Shape, filters: int, *, kernel: int = 3, stride: int = 1) -> tuple[Layer, ...]:
    """A convolution, its batch normalisation and the rectifier."""
    layers = conv_norm(input, filters, kernel=kernel, stride=stride)
    return (*layers, ReLU(input=layers[-1].output))


def walk(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """Every layer in the order of execution; a Residual, which is a sum, comes after its body and shortcut."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from walk(layer.body)
            yield from walk(layer.shortcut)
        yield layer


def check_connected(layers: tuple[Layer, ...], image: ImageShape, model: str) -> None:
    """Reject a plan whose layers do not fit together; users write plans too.

    Raises:
        UsageError: if a layer does not read the shape that the layer before it writes, the first does not read `image`,
            a kernel is even, nothing is left of the image, or the last layer does not write one value per class.
    """
    written = _written(layers, Shape(channels=image.channels, size=image.size), model)
    if written != Shape(channels=image.classes, size=1):
        raise UsageError(f"{model}: the last layer writes {written}, not one value for each of {image.classes} classes")


def _written(layers: tuple[Layer, ...], shape: Shape, model: str) -> Shape:
    """The shape that `layers` write when they read `shape`."""
    for layer in layers:
        if layer.input != shape:
            raise UsageError(f"{model}: a {type(layer).__name__} reads {layer.input}, but is given {shape}")
        if isinstance(layer, Residual):
            _written(layer.body, shape, model)
            _written(layer.shortcut, shape, model)
        if isinstance(layer, Conv) and layer.kernel % 2 == 0:
            raise UsageError(f"{model}: a Conv has a kernel of {layer.kernel}: only odd ones are padded evenly")
        shape = layer.output
        if not shape.elements:
            raise UsageError(f"{model}: the image is too small: a {type(layer).__name__} writes {shape}")
    return shape
