"""The weights of rebuilt networks: at base widths the library's own, and of nothing but the seed."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from fdt_core.image import ImageShape
from tests.fdt_core.tracing.library_networks import LibraryNetwork, own_network
from tests.fdt_core.trials import same_tensors

FAMILIES = (
    "torchvision/resnet18",
    "torchvision/vgg11_bn",
    "torchvision/mobilenet_v3_small",
    "timm/efficientnet_b0",
    "timm/convnext_atto",
    "torchvision/densenet121",
    "torchvision/regnet_y_400mf",
    "torchvision/shufflenet_v2_x0_5",
    "timm/ghostnet_050",
    "torchvision/googlenet",
)


def listed(name: str) -> LibraryNetwork:
    return LibraryNetwork(name=name, image=ImageShape(size=64), macs=0, params=0, slots=0)


@pytest.mark.oracle
@pytest.mark.parametrize("name", FAMILIES)
def test_at_base_widths_they_are_those_of_the_library_to_the_bit(name: str) -> None:
    network = listed(name)
    traced = network.traced
    with torch.random.fork_rng():
        torch.manual_seed(7)
        own = own_network(network)
    rebuilt = traced.build(traced.choice.base_filters(1.0), 1.0, seed=7)
    assert rebuilt.training
    assert same_tensors(rebuilt.state_dict(), own.state_dict())
    assert not same_tensors(traced.build(traced.choice.base_filters(1.0), 1.0, seed=8).state_dict(), own.state_dict())


GENERATORS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "torch": (lambda: torch.rand(5), lambda: torch.get_rng_state().tolist()),
    "numpy": (lambda: np.random.random(5), lambda: repr(np.random.get_state())),
    "random": (lambda: random.random(), lambda: random.getstate()),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["timm/convnext_atto", "timm/test_efficientnet", "torchvision/shufflenet_v2_x0_5"])
def test_they_do_not_depend_on_what_was_drawn_before_and_leave_the_generators_alone(name: str) -> None:
    traced = listed(name).traced
    filters = [max(1, filters // 3) for filters in traced.choice.base_filters(1.0)]
    first = traced.build(filters, 0.5, seed=3).state_dict()
    for draw, state in GENERATORS.values():
        draw()
        before = state()
        assert same_tensors(traced.build(filters, 0.5, seed=3).state_dict(), first)
        assert state() == before
