"""The costs of plans against independent counters of built networks: torch's FlopCounterMode and fvcore.

A fixed tenth of the matrix runs in `make test`, all of it in `make test-all`.
"""

from collections.abc import Iterable
from itertools import product
from random import Random

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget
from fdt_core.matching.match import Match, match
from fdt_core.networks.architectures import architecture, architecture_names
from fdt_core.networks.build import build_model
from fdt_core.networks.layers import Conv, Layer
from fdt_core.templates import template, template_names

Cell = tuple[float, int, int, str, str]
"""Width, image size, classes, template, model."""


def matrix(widths: Iterable[float], templates: Iterable[str]) -> list[Cell]:
    return list(product(widths, (32, 64), (10, 100, 200), templates, architecture_names()))


def marked(cells: list[Cell]) -> list[object]:
    """The cells, a fixed tenth of them marked as oracle tests, the others as slow."""
    tenth = set(Random(0).sample(cells, len(cells) // 10))
    return [
        pytest.param(
            *cell, marks=pytest.mark.oracle if cell in tenth else pytest.mark.slow, id="-".join(map(str, cell))
        )
        for cell in cells
    ]


def network(width: float, size: int, classes: int, name: str, model: str) -> tuple[Match, tuple[Layer, ...]]:
    """The matched network of a cell, and its plan."""
    image, family = ImageShape(size=size, classes=classes), architecture(model)
    found = match(family, template(name), image=image, width=width, budget=Budget())
    return found, family.plan(found.widths, width=width, image=image)


@pytest.mark.parametrize(
    ("width", "size", "classes", "name", "model"), marked(matrix((1.0, 0.25, 0.125), template_names()))
)
def test_parameters_and_macs_are_those_of_the_built_network(
    width: float, size: int, classes: int, name: str, model: str
) -> None:
    found, layers = network(width, size, classes, name, model)
    with torch.device("meta"):
        built = build_model(layers)
        images = torch.empty(1, 3, size, size)
    assert sum(parameter.numel() for parameter in built.parameters()) == found.cost.params
    with FlopCounterMode(display=False) as counter:
        built(images)
    assert counter.get_total_flops() == 2 * found.cost.macs


@pytest.mark.parametrize(
    ("width", "size", "classes", "name", "model"),
    marked(matrix((0.125,), template_names()) + matrix((1.0,), ("base",))),
)
def test_fvcore_counts_the_same_forward_and_torch_the_same_forward_and_backward(
    width: float, size: int, classes: int, name: str, model: str
) -> None:
    found, layers = network(width, size, classes, name, model)
    built = build_model(layers, generator=torch.Generator().manual_seed(0))
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    assert fvcore_macs(built.eval(), images) == found.cost.macs

    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(F.cross_entropy(built.train()(images), torch.zeros(1, dtype=torch.long)))
    assert counter.get_total_flops() == 2 * (3 * found.cost.macs - first_convolution_macs(layers))
    gradients = [parameter.grad for parameter in built.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def fvcore_macs(model: nn.Module, images: torch.Tensor) -> int:
    """The MACs that fvcore counts for convolutions and the linear layer."""
    from fvcore.nn import (
        FlopCountAnalysis,
    )  # here, because it takes seconds to import, and pytest always imports this file

    counted = FlopCountAnalysis(model, images).unsupported_ops_warnings(False).by_operator()
    return int(counted["conv"] + counted["linear"])


def first_convolution_macs(layers: tuple[Layer, ...]) -> int:
    """The MACs that backward does not do: it computes no gradient of the images."""
    first = layers[0]
    assert isinstance(first, Conv)
    return first.input.channels * first.filters * first.kernel**2 * first.output.size**2
