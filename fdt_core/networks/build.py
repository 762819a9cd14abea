"""Networks to train, folded from the same layer plans that their costs are folded from."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from fdt_core.networks.convolution import Convolution
from fdt_core.networks.layers import BatchNorm, Conv, GlobalAveragePool, Layer, Linear, MaxPool, ReLU, Residual


class MeanOverMap(nn.Module):
    """Global average pooling, (N, C, H, W) to (N, C). As a mean it is deterministic on CUDA too."""

    def forward(self, features: Tensor) -> Tensor:
        """The mean of each map."""
        return features.mean(dim=(2, 3))


class ResidualSum(nn.Module):
    """The sum of a body and a shortcut that read the same input."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """The sum, of the body's shape."""
        summed: Tensor = self.body(features) + self.shortcut(features)
        return summed


def build_model(layers: tuple[Layer, ...], *, generator: torch.Generator | None = None) -> nn.Module:
    """The network that `layers` describes, in training mode: images (N, C, H, W) to logits (N, classes).

    Convolutions start as in He et al., 2015 (normal, fan-out), the linear layer normal with a standard deviation of
    0.01 and no bias, BatchNorm as the identity. Every number comes from `generator` alone, in the order of the plan, so
    that a seed gives the same network whatever ran before.

    Args:
        layers: the plan of an architecture.
        generator: a generator on the CPU; by default torch's own, as `torch.manual_seed` left it.

    Returns:
        A module on the CPU; inside `with torch.device("meta")` one without memory, to be counted and not run.
    """
    wanted = torch.get_default_device()
    with torch.device("meta"):
        model = _module(layers)
    if wanted.type != "meta":
        model.to_empty(device="cpu")
        model.apply(partial(_initialise, generator=generator))
    return model


def _module(layers: tuple[Layer, ...]) -> nn.Module:
    return nn.Sequential(*(_layer_module(layer) for layer in layers))


def _layer_module(layer: Layer) -> nn.Module:
    match layer:
        case Conv(input=shape, kernel=kernel):
            padding = kernel // 2
            return Convolution(shape.channels, layer.filters, kernel, stride=layer.stride, padding=padding, bias=False)
        case BatchNorm():
            return nn.BatchNorm2d(layer.input.channels)
        case ReLU():
            return nn.ReLU(inplace=True)
        case MaxPool():
            return nn.MaxPool2d(layer.window)
        case GlobalAveragePool():
            return MeanOverMap()
        case Linear():
            return nn.Sequential(nn.Flatten(), nn.Linear(layer.input.elements, layer.outputs))
        case Residual():
            return ResidualSum(_module(layer.body), _module(layer.shortcut) if layer.shortcut else nn.Identity())


@torch.no_grad()
def _initialise(module: nn.Module, generator: torch.Generator | None) -> None:
    match module:
        case nn.Conv2d():
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        case nn.Linear():
            nn.init.normal_(module.weight, std=0.01, generator=generator)
            nn.init.zeros_(module.bias)
        case nn.BatchNorm2d():
            module.reset_parameters()
