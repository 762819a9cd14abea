"""Costs of layers small enough to check on paper, and the totals in the paper."""

import pytest

from fdt_core.image import ImageShape
from fdt_core.networks.architectures import architecture
from fdt_core.networks.cost import METRICS, Cost, cost_of
from fdt_core.networks.layers import BatchNorm, Conv, GlobalAveragePool, Layer, Linear, MaxPool, ReLU, Residual, Shape

MAPS = Shape(channels=2, size=4)


@pytest.mark.parametrize(
    ("layer", "params", "macs", "paper_flops", "activations"),
    [
        (Conv(input=MAPS, filters=5), 2 * 5 * 9, 2 * 5 * 9 * 16, 2 * 5 * 9 * 16, 5 * 16),
        (Conv(input=MAPS, filters=5, kernel=1, stride=2), 10, 40, 40, 20),
        (BatchNorm(input=MAPS), 4, 0, 64, 32),
        (ReLU(input=MAPS), 0, 0, 32, 32),
        (MaxPool(input=MAPS), 0, 0, 32, 8),
        (GlobalAveragePool(input=MAPS), 0, 0, 32, 2),
        (Linear(input=MAPS, outputs=3), 32 * 3 + 3, 96, 96, 3),
        (Residual(input=MAPS, body=(ReLU(input=MAPS),)), 0, 0, 32, 64),
    ],
)
def test_the_cost_of_each_layer_follows_its_definition(
    layer: Layer, params: int, macs: int, paper_flops: int, activations: int
) -> None:
    expected = Cost(params=params, macs=macs, paper_flops=paper_flops, memory_mb=0.0, activations=activations)
    assert cost_of((layer,)) == expected


def test_memory_counts_whole_mebibytes_of_parameters_and_of_activations() -> None:
    layers = (Linear(input=Shape(channels=1000, size=1), outputs=1000), ReLU(input=Shape(channels=300_000, size=1)))
    # 4,004,000 bytes of parameters are 3 MiB, and 2,408,000 bytes of activations are 2 MiB.
    assert cost_of(layers).memory_mb == 5.24288


@pytest.mark.parametrize(
    ("model", "size", "classes", "paper_flops", "macs", "params"),
    [
        ("vgg19", 32, 10, 399_170_560, 398_136_320, 20_035_018),
        ("vgg19", 64, 200, 1_596_766_208, 1_592_627_200, 20_132_488),
        ("resnet50", 32, 10, 1_307_668_480, 1_297_829_888, 23_520_842),
    ],
)
def test_the_costs_of_the_base_models_are_those_in_the_paper(
    model: str, size: int, classes: int, paper_flops: int, macs: int, params: int
) -> None:
    found = architecture(model)
    cost = cost_of(found.plan(found.base_widths, width=1.0, image=ImageShape(size=size, classes=classes)))
    assert (cost.paper_flops, cost.macs, cost.params) == (paper_flops, macs, params)


def test_every_field_of_the_cost_is_a_metric() -> None:
    assert set(METRICS) == set(Cost.__dataclass_fields__)
