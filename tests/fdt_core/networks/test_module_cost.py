"""Costs counted at run time against the analytic costs of layer plans."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.architectures import architecture, architecture_names
from fdt_core.networks.build import build_model
from fdt_core.networks.cost import cost_of
from fdt_core.networks.module_cost import module_cost

SLOW_TO_BUILD = ("resnet101", "resnet152")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.trainer) if name in SLOW_TO_BUILD else name for name in architecture_names()],
)
def test_it_equals_the_cost_of_the_layer_plan(name: str) -> None:
    image = ImageShape(size=64, classes=20)
    layers = architecture(name).plan(architecture(name).scaled_widths(0.125), width=0.125, image=image)
    assert module_cost(build_model(layers), image) == cost_of(layers)


def test_groups_biases_and_functional_calls_are_counted() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 8, 3, stride=2, groups=2)
            self.out = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(nn.functional.relu(self.conv(x)).mean((2, 3)))  # type: ignore[no-any-return]

    cost = module_cost(Grouped(), ImageShape(size=9, channels=4, classes=5))
    outputs = 8 * 4 * 4
    assert cost.params == 8 * 2 * 9 + 8 + 8 * 5 + 5
    assert cost.macs == outputs * 2 * 9 + 8 * 5
    assert cost.paper_flops == cost.macs + outputs + outputs
    assert cost.activations == outputs + outputs + 8 + 5


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    module_cost(network, ImageShape())
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_for_other_images_is_rejected() -> None:
    with pytest.raises(UsageError, match="does not accept a batch of images of 3 x 32 x 32"):
        module_cost(nn.Conv2d(1, 4, 3), ImageShape())
