"""Random crop of padded images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def crop(images: Tensor, top: Tensor, left: Tensor, padding: int) -> Tensor:
    """Pad [B, H, W, C] by `padding` black pixels on each side, then cut each image to H x W from (`top`, `left`)."""
    count, height, width, channels = images.shape
    padded = F.pad(images, (0, 0, padding, padding, padding, padding))
    # Each run of `width` pixels in memory is a row of this view, so one gather of rows copies all crops at once.
    runs = padded.view(-1).as_strided((padded.numel() // channels - width + 1, width * channels), (channels, 1))
    image = torch.arange(count, device=images.device).view(-1, 1)
    row = torch.arange(height, device=images.device).view(1, -1)
    first_pixel = (image * padded.shape[1] + top.view(-1, 1) + row) * padded.shape[2] + left.view(-1, 1)
    return runs.index_select(0, first_pixel.view(-1)).view(images.shape)
