"""Trials that train nothing and end with the accuracies that a file gives them, at moments that depend on it too."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lab.nothing_session import nothing_session
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import TrialReport
from orchestrator.tune.trainable import Session

if TYPE_CHECKING:
    from fdt_core.training.device_dataset import DeviceDataset
    from fdt_core.trial.history import EpochRecord, TrainingStatus

_FILE = "script.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Script:
    """What trials do.

    Args:
        accuracies: per cent, by trial id; a trial without one fails at every attempt.
        salt: other trials are slow with another one.
        seconds: the longest that a trial takes.
    """

    accuracies: Mapping[str, float]
    salt: int = 0
    seconds: float = 0.05

    def write(self, run: Path) -> None:
        """Put it where the trials of a run find it."""
        (run / _FILE).write_text(json.dumps(dataclasses.asdict(self)))


class ScriptedSession:
    """A session that ends as its run's script says."""

    def __init__(self, order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> None:
        self._order = order
        self._ending = nothing_session(order, datasets, node_id)
        self._script = Script(**json.loads((Path(order.settings.run_directory) / _FILE).read_text()))

    def advance(self) -> TrialReport:
        """The only report."""
        trial_id = self._order.trial_id
        time.sleep(self._script.seconds * random.Random(f"{self._script.salt} {trial_id}").random())
        report, accuracy = self._ending.advance(), self._script.accuracies.get(trial_id)
        if accuracy is None:
            return dataclasses.replace(report, outcome=Outcome.ERROR, error="scripted", epochs=(), result=None)
        assert report.result is not None
        epochs = json.loads(self._order.spec)["recipe"]["epochs"]
        until = self._order.until or epochs
        history = tuple(self._record(report.epochs[0], epoch, accuracy, epochs) for epoch in range(1, until + 1))
        status: TrainingStatus = "done" if until == epochs else "stopped"
        result = dataclasses.replace(report.result, history=history, status=status)
        return dataclasses.replace(report, epochs=history, outcome=Outcome(status), result=result)

    def _record(self, like: EpochRecord, epoch: int, accuracy: float, epochs: int) -> EpochRecord:
        """The record of an epoch. Held-out images tell the more of the accuracy the later it is."""
        if json.loads(self._order.spec)["recipe"].get("evaluate_test", True):
            return dataclasses.replace(like, epoch=epoch, test_accuracy=accuracy if epoch == epochs else None)
        error = random.Random(f"{self._order.trial_id} {epoch}").gauss(0.0, 30.0 / epoch)
        held_out = {"validation_accuracy": accuracy + error, "validation_loss": 1.0}
        return dataclasses.replace(like, epoch=epoch, test_accuracy=None, test_loss=None, **held_out)

    def close(self) -> None:
        """Nothing to free."""


def scripted_session(order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
    """The factory of such sessions."""
    return ScriptedSession(order, datasets, node_id)
