"""Cutout: DeVries and Taylor, 'Improved Regularization of Convolutional Neural Networks with Cutout' (2017).

As in the paper, the centre of the hole is uniform over the pixels, so that holes can overlap the border, and the hole
is set to zero after normalisation.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cut_out(pixels: Tensor, centre_y: Tensor, centre_x: Tensor, size: int, rows: Tensor) -> Tensor:
    """Zero the hole around each centre, in place, in float [B, C, H, W] with channels last in memory.

    The hole is `size` x `size` pixels, clipped at the border; `rows` is `hole_rows` for that size.
    """
    count, channels, height, width = pixels.shape
    row = torch.arange(height, device=pixels.device).view(1, -1)
    top = centre_y.view(-1, 1) - size // 2
    inside = (row >= top) & (row < top + size)
    whole_row = width
    chosen = torch.where(inside, centre_x.view(-1, 1), whole_row)
    kept = rows.index_select(0, chosen.view(-1)).view(count, height, width, channels)
    return pixels.mul_(kept.permute(0, 3, 1, 2))


def hole_rows(width: int, channels: int, size: int) -> Tensor:
    """float32 [width + 1, width * channels]: row x is 0 inside a hole centred at column x, else 1; the last all 1."""
    column = torch.arange(width).view(1, -1)
    left = torch.arange(width).view(-1, 1) - size // 2
    kept = (column < left) | (column >= left + size)
    kept = torch.cat([kept, torch.ones(1, width, dtype=torch.bool)])
    return kept.float().repeat_interleave(channels, dim=1)
