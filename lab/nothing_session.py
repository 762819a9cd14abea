"""Trials that do nothing: what is left is the engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fdt_core.trial.history import EpochRecord, TrainingResult
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from orchestrator.tune.trainable import Session

if TYPE_CHECKING:
    from fdt_core.training.device_dataset import DeviceDataset

RECORD = EpochRecord(
    epoch=1,
    train_loss=1.0,
    train_accuracy=50.0,
    test_loss=1.0,
    test_accuracy=50.0,
    validation_loss=None,
    validation_accuracy=None,
    learning_rate=0.1,
    seconds=0.001,
    images_per_second=1.0,
)


class NothingSession:
    """A session that ends at once with an ordinary result."""

    def __init__(self, order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> None:
        self._order, self._node_id = order, node_id

    def advance(self) -> TrialReport:
        """The only report; it leaves a log, as every trial does."""
        trial_id = self._order.trial_id
        (Path(self._order.settings.run_directory) / "logs" / f"{trial_id}.log").write_text("ended: done\n")
        result = TrainingResult(
            status="done",
            history=(RECORD,),
            peak_memory_mb=1.0,
            train_seconds=0.001,
            device_name="none",
            devices=("none",),
            interruptions=0,
            started_at=datetime.now(UTC),
        )
        return TrialReport(
            trial_id=trial_id,
            attempt=self._order.attempt,
            place=ProcessLocation.here(self._node_id),
            epochs=result.history,
            outcome=Outcome.DONE,
            result=result,
        )

    def close(self) -> None:
        """Nothing to free."""


def nothing_session(order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
    """The factory of such sessions."""
    return NothingSession(order, datasets, node_id)
