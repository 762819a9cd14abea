"""Loss and accuracy, collected on the device batch by batch and read by the host once per epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean loss per image (nats) and accuracy (per cent)."""

    loss: float
    accuracy: float


class BatchMetrics:
    """Mean loss and number of correct predictions of each batch in one pass over `images` images, on the device.

    The device counts the batches, so that to record one is the same operation each time.
    """

    def __init__(self, images: int, batch_size: int, device: torch.device) -> None:
        self.starts = range(0, images, batch_size)
        self._sizes = [min(batch_size, images - start) for start in self.starts]
        self._values = torch.zeros(2, len(self.starts), device=device)
        self._numbers = torch.arange(len(self.starts), device=device)
        self._next = torch.zeros((), dtype=torch.int64, device=device)

    def restart(self) -> None:
        """Forget all batches, for another pass of the same size."""
        self._values.zero_()
        self._next.zero_()

    def record(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Record the next batch without waiting: `loss` is its mean, `logits` [B, classes], `labels` [B]."""
        # Not by index: an indexed write is many operations where algorithms must be deterministic.
        here = self._numbers == self._next
        for row, value in zip(self._values, (loss, (logits.argmax(1) == labels).sum()), strict=True):
            torch.where(here, value, row, out=row)
        self._next.add_(1)

    def losses(self) -> list[float]:
        """The mean loss of each batch; the host waits for the device."""
        losses: list[float] = self._values[0].tolist()
        return losses


def read_scores(passes: Sequence[BatchMetrics]) -> list[Score]:
    """The score of each pass; the only point of an epoch at which the host waits for the device."""
    values = torch.cat([metrics._values for metrics in passes], dim=1).tolist()
    scores, start = [], 0
    for metrics in passes:
        end = start + len(metrics._sizes)
        scores.append(_score(values[0][start:end], values[1][start:end], metrics._sizes))
        start = end
    return scores


def _score(losses: list[float], correct: list[float], sizes: list[int]) -> Score:
    images = sum(sizes)
    total = sum(loss * size for loss, size in zip(losses, sizes, strict=True))
    # One batch with a loss that is not finite makes the sum not finite, so a single number shows divergence.
    return Score(loss=total / images if math.isfinite(total) else math.nan, accuracy=100 * sum(correct) / images)
