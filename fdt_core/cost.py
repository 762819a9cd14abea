"""What a network costs for one image, folded from its layer plan."""

from __future__ import annotations

from dataclasses import dataclass

from fdt_core.layers import BatchNorm, Conv, GlobalAveragePool, Layer, Linear, MaxPool, ReLU, walk

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one network; everything but the parameters is for a single image.

    Args:
        params: trainable parameters.
        macs: multiply-accumulates of convolutions and linear layers.
        paper_flops: the paper's FLOPs: MACs, plus 2 per BatchNorm output, 1 per ReLU output and 1 per pooling input
            element (reconstructed: it gives both totals that the paper's section 4 prints).
        memory_mb: the paper's memory column in units of 1e6 bytes: parameters in 4 bytes and activations in 8, each
            cut to whole MiB (reconstructed: it gives all twelve values of the paper's table 2). Computed, not measured.
        activations: output elements of all layers, the sums of residual blocks included.
    """

    params: int
    macs: int
    paper_flops: int
    memory_mb: float
    activations: int


METRICS = ("paper_flops", "macs", "params", "memory_mb", "activations")
"""The names of the costs that a budget can be set in."""


def cost_of(layers: tuple[Layer, ...]) -> Cost:
    """The cost of the network that `layers` describes."""
    params = macs = other_flops = activations = 0
    for layer in walk(layers):
        layer_params, layer_macs, layer_flops = _layer_cost(layer)
        params += layer_params
        macs += layer_macs
        other_flops += layer_flops
        activations += layer.output.elements
    return Cost(
        params=params,
        macs=macs,
        paper_flops=macs + other_flops,
        memory_mb=_memory_mb(params, activations),
        activations=activations,
    )


def _layer_cost(layer: Layer) -> tuple[int, int, int]:
    """Parameters, MACs, and the paper's other operations of one layer by itself (a residual sum is free)."""
    match layer:
        case Conv():
            weights = layer.input.channels * layer.filters * layer.kernel**2
            return weights, weights * layer.output.size**2, 0
        case BatchNorm():
            return 2 * layer.input.channels, 0, 2 * layer.input.elements
        case ReLU() | MaxPool() | GlobalAveragePool():
            return 0, 0, layer.input.elements
        case Linear():
            weights = layer.input.elements * layer.outputs
            return weights + layer.outputs, weights, 0
        case _:
            return 0, 0, 0


def _memory_mb(params: int, activations: int) -> float:
    mebibytes = 4 * params // MEBIBYTE + 8 * activations // MEBIBYTE
    return mebibytes * MEBIBYTE / 1e6
