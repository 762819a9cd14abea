"""Networks whose cost or values a trace cannot know, each by one trick, for `test_deceptive_networks`."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.ReLU())


class Chain(nn.Module):
    """Three convolutions; subclasses change what happens between them."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first, self.second, self.third = convolution(3, 16), convolution(16, 32), convolution(32, 64)
        self.classifier = nn.Linear(64, num_classes)

    def between(self, maps: Tensor) -> Tensor:
        return maps

    def forward(self, images: Tensor) -> Tensor:
        maps = self.third(self.between(self.second(self.first(images))))
        logits: Tensor = self.classifier(maps.mean(dim=(2, 3)))
        return logits


class RandomStride(Chain):
    """Its constructor draws a stride."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.second = convolution(16, 32, random.choice([1, 2, 3, 4]))


class PoolsIfWide(Chain):
    """Its forward pass depends on a width that is far from the base width."""

    def between(self, maps: Tensor) -> Tensor:
        return F.max_pool2d(maps, 2) if maps.shape[1] > 60 else maps


class Masked(Chain):
    """A buffer has a value for each channel."""

    ramp: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.register_buffer("ramp", torch.linspace(0, 1, 32).view(1, 32, 1, 1))

    def between(self, maps: Tensor) -> Tensor:
        return maps * self.ramp


class Tied(Chain):
    """Two convolutions have one weight."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.one, self.other = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.other.weight = self.one.weight

    def between(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.other(self.one(maps))
        return changed


class Lazy(Chain):
    """A convolution has no size before it has seen an image."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.second = nn.LazyConv2d(32, 3)  # type: ignore[assignment]  # the point of this class


INSTANCE = Chain(num_classes=10)
