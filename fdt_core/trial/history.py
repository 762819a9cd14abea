"""What a training reports: a record per epoch and a result at the end. Plain values; this module needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TrainingStatus = Literal["done", "diverged", "stopped"]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch; the fields are columns of the table `epochs`. Losses are in nats, accuracies in per cent.

    Args:
        epoch: counted from 1.
        train_loss: mean over the training images as augmented; not finite in a diverged epoch.
        train_accuracy: on the augmented training images.
        test_loss: None if not evaluated.
        test_accuracy: None if not evaluated.
        validation_loss: on the held-out training images; None if not evaluated.
        validation_accuracy: likewise.
        learning_rate: of the first step.
        seconds: duration of the training steps, without evaluation.
        images_per_second: training images per second of `seconds`.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """How a training ended, including the time before interruptions.

    Args:
        status: `done`, `diverged` if the loss stopped being finite, or `stopped` if it was to end at an earlier epoch.
        history: all epochs; the last one of a diverged training is the one in which the loss stopped being finite.
        peak_memory_mb: peak memory of the training process on its device, in MB (1e6 bytes).
        train_seconds: total duration of the training steps.
        device_name: model of the last device.
        devices: models of all devices used, in order of first use.
        interruptions: number of times it was interrupted and resumed.
        started_at: start of its first process (UTC).
    """

    status: TrainingStatus
    history: tuple[EpochRecord, ...]
    peak_memory_mb: float
    train_seconds: float
    device_name: str
    devices: tuple[str, ...]
    interruptions: int
    started_at: datetime

    @property
    def images_per_second(self) -> float:
        """Training images per second of `train_seconds`."""
        images = sum(record.seconds * record.images_per_second for record in self.history)
        return images / self.train_seconds

    @property
    def best(self) -> EpochRecord | None:
        """The first epoch with the highest test accuracy; None if none was evaluated."""
        return best_epoch(self.history, "test_accuracy")


def best_epoch(
    history: tuple[EpochRecord, ...], measure: Literal["test_accuracy", "validation_accuracy"]
) -> EpochRecord | None:
    """The first epoch with the highest `measure`; None if it was never evaluated."""
    evaluated = [record for record in history if getattr(record, measure) is not None]
    return max(evaluated, key=lambda record: float(getattr(record, measure)), default=None)
