"""The project's own architectures, built and traced: the trace finds their slots and costs."""

from __future__ import annotations

import pytest
from torch import nn

from fdt_core.image import ImageShape
from fdt_core.matching.match import Budget, match
from fdt_core.model_definition import ModelDefinition
from fdt_core.networks.architectures import architecture
from fdt_core.networks.build import build_model
from fdt_core.templates import template, template_names
from fdt_core.tracing.traced_network import TracedModel

BUDGETS = (Budget(), Budget(metric="macs"))


def vgg11(num_classes: int, size: int) -> nn.Module:
    return built("vgg11", num_classes, size)


def vgg19(num_classes: int, size: int) -> nn.Module:
    return built("vgg19", num_classes, size)


def resnet50(num_classes: int, size: int) -> nn.Module:
    return built("resnet50", num_classes, size)


def built(name: str, num_classes: int, size: int) -> nn.Module:
    """A hand-written architecture at its base widths."""
    image = ImageShape(size=size, classes=num_classes)
    return build_model(architecture(name).plan(architecture(name).base_widths, width=1.0, image=image))


def traced(name: str, size: int) -> TracedModel:
    return TracedModel(definition=ModelDefinition(name=f"{__name__}:{name}", arguments={"size": size}))


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["vgg11", "vgg19", "resnet50"])
@pytest.mark.parametrize("size", [32, 64])
def test_a_traced_architecture_has_the_same_slots_and_the_same_matched_networks(name: str, size: int) -> None:
    image, hand_written = ImageShape(size=size), architecture(name)
    network = traced(name, size)
    assert network.family(image=image, width=1.0).base_filters == hand_written.base_widths
    for budget in BUDGETS:
        for each in template_names():
            wanted = match(hand_written, template(each), image=image, width=1.0, budget=budget)
            found = match(network, template(each), image=image, width=1.0, budget=budget)
            assert found == wanted, "n, widths and every cost"


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["vgg11", "vgg19", "resnet50"])
@pytest.mark.parametrize("width", [0.25, 0.5])
def test_the_width_multiplier_scales_both_alike(name: str, width: float) -> None:
    image = ImageShape()
    for each in ("base", "d"):
        wanted, found = (
            match(model, template(each), image=image, width=width, budget=Budget(metric="macs"))
            for model in (architecture(name), traced(name, 32))
        )
        assert found == wanted
