"""The networks of timm and torchvision that the tests trace, with numbers that were counted on the libraries' own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fdt_core.image import ImageShape
from fdt_core.model_definition import ModelDefinition
from fdt_core.tracing.traced_network import TracedModel, TracedNetwork

TENTH = (
    "timm/convnext_atto",
    "timm/ghostnet_050",
    "timm/hgnetv2_b0",
    "timm/mixnet_s",
    "timm/res2net50d",
    "timm/resnest14d",
    "timm/test_efficientnet_gn",
    "torchvision/densenet121",
    "torchvision/googlenet",
    "torchvision/mobilenet_v2",
    "torchvision/regnet_y_400mf",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/squeezenet1_1",
)
"""A tenth of the networks, of as many kinds: `make test` runs them, `make test-all` the others too."""

REFUSED = ("timm/rexnet_100",)
"""Networks that cannot have other widths, and so have no slots."""


@dataclass(frozen=True, kw_only=True)
class LibraryNetwork:
    """A row of networks.csv.

    Args:
        name: the network.
        image: the shape of its images and the number of classes.
        macs: half the operations that torch's FlopCounterMode counts in one forward pass.
        params: number of its parameters.
        slots: number of its slots; 0 if it is refused.
    """

    name: str
    image: ImageShape
    macs: int
    params: int
    slots: int

    @property
    def model(self) -> TracedModel:
        return TracedModel(definition=ModelDefinition(name=self.name))

    @property
    def traced(self) -> TracedNetwork:
        return self.model.network(self.image)


def read_networks() -> tuple[LibraryNetwork, ...]:
    """All rows of networks.csv."""
    with (Path(__file__).parent / "networks.csv").open(newline="") as file:
        return tuple(
            LibraryNetwork(
                name=row["network"],
                image=ImageShape(size=int(row["image_size"]), classes=10),
                macs=int(row["macs"]),
                params=int(row["params"]),
                slots=int(row["slots"] or 0),
            )
            for row in csv.DictReader(file)
        )


NETWORKS = {network.name: network for network in read_networks()}


def accepted() -> list[object]:
    """All networks but the refused ones as parameters; a fixed tenth marked as oracle tests, the others as slow."""
    return [
        pytest.param(network, id=name, marks=pytest.mark.oracle if name in TENTH else pytest.mark.slow)
        for name, network in NETWORKS.items()
        if name not in REFUSED
    ]


def tenth() -> list[object]:
    """The fixed tenth as parameters."""
    return [pytest.param(NETWORKS[name], id=name) for name in TENTH]


def own_network(network: LibraryNetwork, **more: object) -> nn.Module:
    """The network as its library constructs it, with weights from torch's global generator."""
    library, name = network.name.split("/")
    if library == "timm":
        import timm

        made: nn.Module = timm.create_model(name, pretrained=False, num_classes=network.image.classes, **more)
        return made
    from torchvision import models

    auxiliary = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    made = models.get_model(name, weights=None, num_classes=network.image.classes, **auxiliary, **more)
    return made


def counted(network: nn.Module, image: ImageShape) -> tuple[int, int]:
    """The MACs that torch counts in one forward pass on the meta device, and the number of parameters."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.eval()(torch.empty(1, image.channels, image.size, image.size, device="meta"))
    return counter.get_total_flops() // 2, sum(parameter.numel() for parameter in network.parameters())


def random_filters(base: Sequence[int], parts: tuple[float, float]) -> tuple[int, ...]:
    """Random filters, each within these parts of its base; the same in every run."""
    draw = Random(len(base))
    return tuple(max(1, round(filters * draw.uniform(*parts))) for filters in base)


def noise(image: ImageShape, count: int = 2) -> Tensor:
    """Random images; the same in every run."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, image.channels, image.size, image.size, generator=generator)
