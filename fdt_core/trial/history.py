"""What a training reports: one record per epoch, and one result at its end. Plain values, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TrainingStatus = Literal["done", "diverged"]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch; the fields are the columns of the `epochs` table. Losses in nats, accuracies in per cent.

    Args:
        epoch: 1 for the first.
        train_loss: mean over the epoch's training images, as they were augmented; not finite in a diverged epoch.
        train_accuracy: on the augmented training images.
        test_loss: None where not evaluated.
        test_accuracy: None where not evaluated.
        validation_loss: on the held-out training images; None where not evaluated.
        validation_accuracy: likewise.
        learning_rate: of the epoch's first step.
        seconds: of the epoch's training steps, without evaluation.
        images_per_second: training images per second of them.
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
    """How a training ended, over all its interruptions.

    Args:
        status: `done`, or `diverged` where the loss was not finite.
        history: all epochs; of a diverged training the last one is that in which the loss stopped being finite.
        peak_memory_mb: highest memory of the training process on its device, in MB (1e6 bytes).
        train_seconds: seconds in training steps.
        device_name: model of the device that it ended on.
        devices: models of all devices that it ran on, in order of first use.
        interruptions: how often it was interrupted and resumed.
        started_at: when its first process began (UTC).
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
        """The first epoch of highest test accuracy; None where none was evaluated."""
        return best_epoch(self.history, "test_accuracy")


def best_epoch(
    history: tuple[EpochRecord, ...], measure: Literal["test_accuracy", "validation_accuracy"]
) -> EpochRecord | None:
    """The first epoch with the highest `measure`; None where it was never evaluated."""
    evaluated = [record for record in history if getattr(record, measure) is not None]
    return max(evaluated, key=lambda record: float(getattr(record, measure)), default=None)
