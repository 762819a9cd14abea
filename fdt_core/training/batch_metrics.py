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
    """Mean loss and number of correct predictions of each batch in one pass over `images` images, on the device."""

    def __init__(self, images: int, batch_size: int, device: torch.device) -> None:
        self.starts = range(0, images, batch_size)
        self._sizes = [min(batch_size, images - start) for start in self.starts]
        self._values = torch.zeros(2, len(self.starts), device=device)

    def record(self, batch: int, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Record batch number `batch` without waiting: `loss` is its mean, `logits` [B, classes], `labels` [B]."""
        self._values[0, batch] = loss
        self._values[1, batch] = (logits.argmax(1) == labels).sum()

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
