"""The cost of a network for one image, computed from its layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from fdt_core.networks.layers import BatchNorm, Conv, GlobalAveragePool, Layer, Linear, MaxPool, ReLU, Residual, walk

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a network; everything but the parameters is for a single image.

    Args:
        params: trainable parameters.
        macs: multiply-accumulate operations of convolutions and linear layers.
        paper_flops: the paper's FLOPs: MACs, plus 2 per BatchNorm output, 1 per ReLU output and 1 per pooling input
            element (reconstructed: it reproduces both totals in the captions of the paper's tables).
        memory_mb: the paper's memory column in units of 1e6 bytes: 4 bytes per parameter and 8 per activation, each
            truncated to whole MiB (reconstructed: it reproduces all twelve printed values). Computed, not measured.
        activations: output elements of all layers, including the sums of residual blocks.
    """

    params: int
    macs: int
    paper_flops: int
    memory_mb: float
    activations: int


Metric = Literal["paper_flops", "macs", "params", "memory_mb", "activations"]

ACTIVATIONS = frozenset(
    {
        "celu",
        "elu",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "logsigmoid",
        "mish",
        "prelu",
        "relu",
        "relu6",
        "rrelu",
        "selu",
        "sigmoid",
        "silu",
        "softplus",
        "tanh",
    }
)
"""Functions of torch that count as the paper's ReLU does. Softmax, a part of attention, is not one of them."""

METRICS: tuple[Metric, ...] = get_args(Metric)
"""The costs that a budget can limit: the fields of `Cost`."""


def cost_of(layers: tuple[Layer, ...]) -> Cost:
    """The cost of the network that `layers` describes."""
    params = macs = other_flops = activations = 0
    for layer in walk(layers):
        layer_params, layer_macs, layer_flops, outputs = _layer_cost(layer)
        params += layer_params
        macs += layer_macs
        other_flops += layer_flops
        activations += outputs
    return Cost(
        params=params,
        macs=macs,
        paper_flops=macs + other_flops,
        memory_mb=memory_mb(params, activations),
        activations=activations,
    )


def _layer_cost(layer: Layer) -> tuple[int, int, int, int]:
    """Parameters, MACs, the paper's other operations, and output elements of one layer (of a Residual, its sum)."""
    match layer:
        case Conv(input=shape):
            weights = shape.channels * layer.filters * layer.kernel**2
            output = layer.output
            return weights, weights * output.size**2, 0, output.elements
        case BatchNorm(input=shape):
            elements = shape.elements
            return 2 * shape.channels, 0, 2 * elements, elements
        case ReLU(input=shape):
            elements = shape.elements
            return 0, 0, elements, elements
        case MaxPool(input=shape) | GlobalAveragePool(input=shape):
            return 0, 0, shape.elements, layer.output.elements
        case Linear(input=shape, outputs=outputs):
            weights = shape.elements * outputs
            return weights + outputs, weights, 0, outputs
        case Residual():
            return 0, 0, 0, layer.output.elements


def memory_mb(params: int, activations: int) -> float:
    """The paper's memory column, see `Cost`."""
    mebibytes = 4 * params // MEBIBYTE + 8 * activations // MEBIBYTE
    return mebibytes * MEBIBYTE / 1e6
