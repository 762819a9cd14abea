"""Trials that sleep through their epochs: what is left is the engine, and what it does with reports."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fdt_core.trial.history import EpochRecord, TrainingResult
from lab.nothing_session import RECORD
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport

if TYPE_CHECKING:
    from fdt_core.training.device_dataset import DeviceDataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class SleepingSessions:
    """Makes sessions of so many `epochs`, each of so many `seconds`."""

    epochs: int
    seconds: float

    def __call__(self, order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> SleepingSession:
        """A session for the order."""
        return SleepingSession(order, node_id, self)


class SleepingSession:
    """A session that trains nothing, and takes its time."""

    def __init__(self, order: TrialOrder, node_id: str | None, length: SleepingSessions) -> None:
        self._order, self._node_id, self._length = order, node_id, length
        self._history: tuple[EpochRecord, ...] = ()

    def advance(self) -> TrialReport:
        """Sleep for one epoch, and report it."""
        time.sleep(self._length.seconds)
        record = dataclasses.replace(RECORD, epoch=len(self._history) + 1, seconds=self._length.seconds)
        self._history += (record,)
        report = TrialReport(
            trial_id=self._order.trial_id,
            attempt=self._order.attempt,
            place=ProcessLocation.here(self._node_id),
            epochs=(record,),
        )
        if len(self._history) < self._length.epochs:
            return report
        result = TrainingResult(
            status="done",
            history=self._history,
            peak_memory_mb=1.0,
            train_seconds=self._length.epochs * self._length.seconds,
            device_name="none",
            devices=("none",),
            interruptions=0,
            started_at=datetime.now(UTC),
        )
        return dataclasses.replace(report, epochs=self._history, outcome=Outcome.DONE, result=result)

    def close(self) -> None:
        """Nothing to free."""
