"""Normalisation of images by the mean and standard deviation of each channel."""

from __future__ import annotations

import torch
from torch import Tensor


class Normalisation:
    """(image / 255 - mean) / std per channel, for images of one size on one device.

    Args:
        mean: of each channel, on a scale from 0 to 1.
        std: of each channel, likewise.
        image_size: H = W of the images.
        device: where the images are.
    """

    def __init__(
        self, *, mean: tuple[float, ...], std: tuple[float, ...], image_size: int, device: torch.device
    ) -> None:
        self.channels, self.image_size, self.device = len(mean), image_size, device
        # One constant per byte of a row of pixels, so that whole rows are processed without striding over channels.
        spread = torch.tensor(std, dtype=torch.float64)
        self._scale = (1 / (255 * spread)).float().repeat(image_size).to(device)
        self._shift = (-torch.tensor(mean, dtype=torch.float64) / spread).float().repeat(image_size).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise uint8 [B, H, W, C] to float32 [B, C, H, W] with channels last in memory."""
        rows = images.flatten(2).float()
        return torch.addcmul(self._shift, rows, self._scale).view(images.shape).permute(0, 3, 1, 2)
