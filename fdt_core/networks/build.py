"""Build networks from the layer plans that their costs are computed from."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from fdt_core.networks.convolution import Convolution
from fdt_core.networks.layers import BatchNorm, Conv, GlobalAveragePool, Layer, Linear, MaxPool, ReLU, Residual


class MeanOverMap(nn.Module):
    """Global average pooling, (N, C, H, W) to (N, C). A plain mean is deterministic on CUDA too."""

    def forward(self, features: Tensor) -> Tensor:
        """The mean of each map."""
        return features.mean(dim=(2, 3))


class ResidualSum(nn.Module):
    """The sum of a body and a shortcut that both read the input."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """The sum, in the shape that the body writes."""
        summed: Tensor = self.body(features) + self.shortcut(features)
        return summed


def build_model(layers: tuple[Layer, ...], *, generator: torch.Generator | None = None) -> nn.Module:
    """Build the network that `layers` describes, in training mode: images (N, C, H, W) to logits (N, classes).

    Convolutions are initialised as in He et al., 2015 (normal, fan-out), the linear layer from a normal distribution
    with a standard deviation of 0.01 and a bias of 0, BatchNorm as the identity. All values are drawn from `generator`
    in the order of the plan, so that a seed always gives the same network.

    Args:
        layers: the plan of an architecture.
        generator: a generator on the CPU; by default torch's global one, as `torch.manual_seed` left it.

    Returns:
        A module on the CPU; inside `with torch.device("meta")` one without memory, for counting only.
    """
    target_device = torch.get_default_device()
    with torch.device("meta"):
        model = _module(layers)
    if target_device.type != "meta":
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
