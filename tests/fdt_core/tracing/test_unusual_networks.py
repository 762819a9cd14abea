"""What users do in their own modules: it is traced, rebuilt at other widths with the predicted cost, and trains."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.networks.module_cost import module_cost
from fdt_core.tracing.traced_network import traced_network
from tests.fdt_core.tracing import unusual_networks
from tests.fdt_core.tracing.library_networks import noise

IMAGE = ImageShape()


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("SharedConvolution", (8, 24)),
        ("CopiedBlocks", (8, 24)),
        ("OwnParameters", (8, 16, 16, 24)),
        ("Buffered", (8, 16, 24)),
        ("Shuffled", (8, 16, 24)),
        ("HalfAndHalf", (8, 8, 24)),
        ("Upsampled", (8, 20, 24)),
        ("UpsampledInGroups", (8, 20, 24)),
        ("Padded", (8, 16, 24)),
        ("LearnedSlopes", (8, 24)),
        ("Normalised", (8, 16, 24)),
        ("Frozen", (8, 16, 16, 24)),
        ("WeightNormed", (8, 16, 16, 24)),
        ("Flattened", (8, 6)),
    ],
)
def test_it_is_rebuilt_at_other_widths_with_the_cost_of_the_formula_and_trains(
    name: str, base: tuple[int, ...]
) -> None:
    network = traced_network(ModelDefinition(name=f"{unusual_networks.__name__}:{name}"), IMAGE)
    assert network.choice.base_filters(1.0) == base
    for factor in (1.0, 0.5, 1.5):
        filters = network.choice.base_filters(factor)
        built = network.build(filters, factor, seed=0)
        assert module_cost(built, IMAGE) == network.cost(filters, factor)
        torch.autograd.backward(F.cross_entropy(built(noise(IMAGE)), torch.tensor([0, 1])))
        assert all(each.grad is not None for each in built.parameters() if each.requires_grad)
