"""Networks as users write them, each with something unusual, on a chain of convolutions."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Unusual(nn.Module):
    """Two convolutions, what a subclass does in `middle`, and a convolution and the classifier after it."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.prepare()
        self.last, self.head = nn.Conv2d(16, 24, 3, padding=1), nn.Linear(24, num_classes)

    def prepare(self) -> None:
        """Create the modules of `middle`."""

    def middle(self, maps: Tensor) -> Tensor:
        return maps

    def forward(self, images: Tensor) -> Tensor:
        maps = self.middle(self.second(self.first(images).relu()).relu())
        logits: Tensor = self.head(self.last(maps).relu().mean((2, 3)))
        return logits


class SharedConvolution(Unusual):
    def prepare(self) -> None:
        self.shared = nn.Conv2d(16, 16, 3, padding=1)

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.shared(self.shared(maps).relu())
        return logits


class CopiedBlocks(Unusual):
    def prepare(self) -> None:
        block = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(*(copy.deepcopy(block) for _ in range(3)))

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.blocks(maps)
        return logits


class OwnParameters(Unusual):
    """A convolution by function, and a scale that is a parameter."""

    def prepare(self) -> None:
        self.weight = nn.Parameter(torch.randn(16, 16, 1, 1) * 0.1)
        self.scale = nn.Parameter(torch.ones(16, 1, 1))

    def middle(self, maps: Tensor) -> Tensor:
        return F.conv2d(maps, self.weight) * self.scale


class Buffered(Unusual):
    def prepare(self) -> None:
        self.register_buffer("offset", torch.zeros(1, 16, 1, 1))

    def middle(self, maps: Tensor) -> Tensor:
        return maps - self.offset  # type: ignore[operator]


class Shuffled(Unusual):
    """Rearranges channels by sizes that it reads from its input."""

    def middle(self, maps: Tensor) -> Tensor:
        count, channels, height, width = maps.size()
        return maps.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(count, -1, height, width)


class HalfAndHalf(Unusual):
    """Sends one half of the channels through a convolution."""

    def prepare(self) -> None:
        self.part = nn.Conv2d(8, 8, 3, padding=1)

    def middle(self, maps: Tensor) -> Tensor:
        one, other = maps.chunk(2, dim=1)
        return torch.cat([self.part(one), other], dim=1)


class Upsampled(Unusual):
    """Goes down and up again by a transposed convolution, beside a connection around them."""

    def prepare(self) -> None:
        self.down: nn.Module = nn.Conv2d(16, 20, 2, stride=2)
        self.up: nn.Module = nn.ConvTranspose2d(20, 16, 2, stride=2)

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = maps + self.up(self.down(maps))
        return logits


class UpsampledInGroups(Upsampled):
    def prepare(self) -> None:
        self.down = nn.Conv2d(16, 20, 2, stride=2)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(20, 20, 2, stride=2, groups=20, bias=False),
            nn.ConvTranspose2d(20, 16, 3, padding=1, groups=2),
        )


class Padded(Unusual):
    """A shortcut that pads channels with zeros, as ResNets for small images have."""

    def prepare(self) -> None:
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.more = nn.Conv2d(16, 16, 3, stride=2, padding=1)

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.more(self.conv(maps)) + F.pad(maps[:, :8, ::2, ::2], (0, 0, 0, 0, 4, 4))
        return logits


class LearnedSlopes(Unusual):
    """Activations with a learned slope per channel, on maps with as many pixels as channels."""

    def prepare(self) -> None:
        self.shrink = nn.Conv2d(16, 16, 3, stride=2, padding=1)
        self.slopes, self.slope = nn.PReLU(16), nn.PReLU()

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.slope(self.slopes(self.shrink(self.slopes(maps))))
        return logits


class Normalised(Unusual):
    def prepare(self) -> None:
        self.groups, self.instances = nn.GroupNorm(4, 16), nn.InstanceNorm2d(16, affine=True)

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.instances(self.groups(maps))
        return logits


class Frozen(Unusual):
    """A convolution whose weights are not trained."""

    def prepare(self) -> None:
        self.frozen = nn.Conv2d(16, 16, 1).requires_grad_(False)

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.frozen(maps)
        return logits


class WeightNormed(Unusual):
    def prepare(self) -> None:
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(16, 16, 1))

    def middle(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.normed(maps)
        return logits


class Flattened(nn.Module):
    """A classifier that reads every pixel of the last maps."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 6, 3, stride=2, padding=1)
        self.hidden, self.head = nn.Linear(6 * 8 * 8, 20), nn.Linear(20, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.second(self.first(images).relu()).relu()
        logits: Tensor = self.head(self.hidden(maps.view(maps.size(0), -1)).relu())
        return logits
