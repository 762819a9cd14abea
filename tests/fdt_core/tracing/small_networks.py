"""Small networks, as a user would write them: some with slots of each kind, and some that must be refused."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """Convolutions one after another, and one linear layer."""

    def __init__(self, num_classes: int, in_chans: int = 3, filters: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_chans, 8, 3, padding=1)
        self.second = nn.Conv2d(8, filters, 3, padding=1)
        self.third = nn.Conv2d(filters, 32, 3, padding=1)
        self.head = nn.Linear(32, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.third(self.second(self.first(images).relu()).relu()).relu()
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


class Stage(nn.Module):
    """A stem, and a stage of two bottlenecks, the first with a projection."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.reduce1, self.expand1 = nn.Conv2d(12, 8, 1), nn.Conv2d(8, 32, 1)
        self.projection = nn.Conv2d(12, 32, 1)
        self.reduce2, self.expand2 = nn.Conv2d(32, 6, 1), nn.Conv2d(6, 32, 1)
        self.head = nn.Linear(32, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images).relu()
        maps = self.expand1(self.reduce1(stem).relu()) + self.projection(stem)
        maps = maps + self.expand2(self.reduce2(maps).relu())
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


class Separable(nn.Module):
    """An inverted bottleneck with a depthwise convolution, and squeeze-and-excitation."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.expand = nn.Conv2d(8, 24, 1)
        self.depthwise = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.squeeze, self.excite = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.project = nn.Conv2d(24, 8, 1)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images).relu()
        maps = self.depthwise(self.expand(stem).relu()).relu()
        weights = self.excite(self.squeeze(maps.mean((2, 3), keepdim=True)).relu()).sigmoid()
        logits: Tensor = self.head((stem + self.project(maps * weights)).mean((2, 3)))
        return logits


class Grouped(nn.Module):
    """A convolution with four groups."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.head = nn.Linear(32, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.second(self.first(images).relu()).mean((2, 3)))
        return logits


class Talkative(Chain):
    """It prints while it is constructed, and in every forward pass."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        print("constructed")

    def forward(self, images: Tensor) -> Tensor:
        print("run")
        return super().forward(images)


class BranchesOnData(Chain):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) if images.sum() > 0 else super().forward(-images)


class TwoInputs(Chain):
    def forward(self, images: Tensor, others: Tensor) -> Tensor:  # type: ignore[override]  # the point of this class
        return super().forward(images) + others


class NoConvolution(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(3, 16), nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.hidden(images.mean((2, 3))).relu())
        return logits


class Patches(nn.Module):
    """A convolution that cuts the image into patches, and linear layers for each patch."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.wide, self.narrow = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        logits: Tensor = self.head((tokens + self.narrow(self.wide(tokens).relu())).mean(1))
        return logits


class NoClasses(nn.Module):
    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.head = nn.Linear(3, outputs)


class ReturnsTwo(Chain):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # the point of this class
        return super().forward(images), images


class WrongLogits(Chain):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes + 1)


class Broken(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        raise RuntimeError("first line\nsecond line")


class MustNotNarrow(nn.Module):
    """Adds its few input channels to the first of its output channels: there must be at least as many."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 8, 3, padding=1)
        self.block = MustNotNarrowBlock()
        self.head = nn.Linear(12, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.block(self.before(images).relu()).mean((2, 3)))
        return logits


class MustNotNarrowBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Conv2d(8, 12, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        new = self.inside(maps)
        channels = maps.shape[1]
        return torch.cat([new[:, 0:channels] + maps, new[:, channels:]], dim=1)


not_a_module = "text"


def gives_text(num_classes: int) -> str:
    return "no module"
