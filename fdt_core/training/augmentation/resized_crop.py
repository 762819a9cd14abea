"""Random resized crop: a random part of each image, scaled up to the size of the image.

Szegedy et al., 'Going Deeper with Convolutions' (2015), section 6, with the details of torchvision's
RandomResizedCrop. A box inside an image is never larger than the image, so every crop is scaled up, or stays as it is.
Antialiasing is a low-pass filter for scaling down: here it would change nothing, so there is none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fdt_core.training.augmentation.boxes import Boxes, draw_boxes


def draw_crops(
    *, images: int, image_size: int, scale: tuple[float, float], ratio: tuple[float, float], random: torch.Generator
) -> Boxes:
    """The part of each image to keep: a random box, or the largest central one of a legal shape if none was found."""
    drawn = draw_boxes(images=images, image_size=image_size, share=scale, ratio=ratio, random=random)
    width = max(1, round(min(image_size, image_size * ratio[1])))
    height = max(1, round(min(image_size, image_size / ratio[0])))
    missing = drawn.height == 0
    return Boxes(
        top=torch.where(missing, (image_size - height) // 2, drawn.top),
        left=torch.where(missing, (image_size - width) // 2, drawn.left),
        height=torch.where(missing, height, drawn.height),
        width=torch.where(missing, width, drawn.width),
    )


def resized_crop(images: Tensor, boxes: Boxes) -> Tensor:
    """Scale the part of each uint8 image [B, H, W, C] in its box to H x W, bilinearly; uint8, rounded.

    Pixels are areas, and nothing outside the box is read, as in torch's `interpolate` with `align_corners=False`.
    """
    rows = _stretched(images, boxes.top, boxes.height)
    columns = _stretched(rows.transpose(1, 2), boxes.left, boxes.width)
    return columns.transpose(1, 2).round().to(torch.uint8).contiguous()


def _stretched(images: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Scale the rows `start` to `start + length` (int64 [B]) of each image [B, H, W, C] to H rows; float32."""
    count, height = images.shape[:2]
    row = torch.arange(height, device=images.device)
    last = (length - 1).view(-1, 1)
    source = ((row + 0.5) * (length.view(-1, 1) / height) - 0.5).clamp(min=0)
    upper = source.long().minimum(last)
    lower = (upper + 1).minimum(last)
    first = (torch.arange(count, device=images.device) * height + start).view(-1, 1)
    # Each row of pixels is a row of this view, so that gathering copies whole rows.
    rows = images.reshape(count * height, -1)
    above, below = (rows.index_select(0, (first + index).view(-1)).float() for index in (upper, lower))
    return torch.lerp(above, below, (source - upper).view(-1, 1).float()).view(images.shape)
