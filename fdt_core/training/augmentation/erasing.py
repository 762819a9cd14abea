"""Random erasing: Zhong et al., 'Random Erasing Data Augmentation' (2020).

The box has 2 to 40 % of the image's area and is inside the image, as in the paper. It is filled with the mean colour of
the data set (0 after normalisation), which the paper finds about as good as random values: those would need as many
draws as there are pixels. The shape is uniform in its logarithm, as in torchvision, so wide and tall boxes are equally
frequent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fdt_core.training.augmentation.boxes import Boxes, draw_boxes

ERASED_SHARE = (0.02, 0.4)
"""Range of the box's share of the image's area."""

ERASED_RATIO = (0.3, 1 / 0.3)
"""Range of width / height."""


def draw_erased(*, images: int, image_size: int, probability: float, random: torch.Generator) -> Boxes:
    """The box to erase in each image; without pixels if nothing is erased."""
    chosen = torch.rand(images, generator=random, dtype=torch.float64) < probability
    drawn = draw_boxes(images=images, image_size=image_size, share=ERASED_SHARE, ratio=ERASED_RATIO, random=random)
    return Boxes(top=drawn.top, left=drawn.left, height=drawn.height * chosen, width=drawn.width * chosen)


def erase(pixels: Tensor, boxes: Boxes) -> Tensor:
    """Zero the box of each image, in place, in float [B, C, H, W] with channels last in memory."""
    count, channels, height, width = pixels.shape
    erased = boxes.cover(image_size=height, channels=channels)
    pixels.permute(0, 2, 3, 1).view(count, height, width * channels).mul_(~erased)
    return pixels
