"""Random boxes inside square images, by their share of the area and their shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fdt_core.training.augmentation.tensor_record import TensorRecord

_TRIES = 10
"""As in torchvision. After that, an image gets no box."""


@dataclass(frozen=True, kw_only=True)
class Boxes(TensorRecord):
    """Boxes of whole pixels, all int64 [N]; a box without pixels has a height and width of 0."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def cover(self, *, image_size: int, channels: int) -> Tensor:
        """Which values of an image [H, W, C] are in each box: bool [N, H, W * C], on the device of the boxes."""
        position = torch.arange(image_size, device=self.top.device)
        rows = _within(position, self.top, self.height)
        columns = _within(position, self.left, self.width)
        # One flag per value of a row of pixels, so that whole rows are processed without striding over channels.
        spread = columns.unsqueeze(2).expand(-1, -1, channels).flatten(1)
        return rows.unsqueeze(2) & spread.unsqueeze(1)


def _within(position: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Whether each `position` [P] is in each range [N]: bool [N, P]."""
    start = start.view(-1, 1)
    return (position >= start) & (position < start + length.view(-1, 1))


def draw_boxes(
    *, images: int, image_size: int, share: tuple[float, float], ratio: tuple[float, float], random: torch.Generator
) -> Boxes:
    """Draw a box inside each of `images` images of `image_size` x `image_size` pixels.

    As in torchvision's RandomResizedCrop and RandomErasing: the share of the image's area is uniform over the range
    `share`, the logarithm of width / height is uniform over that of `ratio`, and both sides are rounded. Of 10 tries,
    the first that fits into the image counts; an image in which none fits gets a box without pixels. The position is
    uniform over all those inside the image. The number of draws does not depend on their values.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random, dtype=torch.float64)

    area = image_size**2 * (share[0] + (share[1] - share[0]) * uniform(_TRIES, images))
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = torch.exp(low + (high - low) * uniform(_TRIES, images))
    heights, widths = (area / shape).sqrt().round().long(), (area * shape).sqrt().round().long()
    fits = (heights >= 1) & (heights <= image_size) & (widths >= 1) & (widths <= image_size)
    first = fits.long().argmax(0, keepdim=True)
    height, width = ((sides * fits).gather(0, first).squeeze(0) for sides in (heights, widths))
    return Boxes(
        top=(uniform(images) * (image_size - height + 1)).long(),
        left=(uniform(images) * (image_size - width + 1)).long(),
        height=height,
        width=width,
    )
