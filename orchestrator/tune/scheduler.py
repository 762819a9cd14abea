"""Which of Ray Tune's waiting trials gets the next warm actor: the one that comes first in the plan's order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


class PlanOrderScheduler(FIFOScheduler):
    """Trials in the order in which Tune first got them.

    Tune puts a trial whose process died behind all others that wait, and would start as many new trials as there are
    slots before that one continues. At each step, its own scheduler also looks through all trials, ended ones included.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray ships few types
        self._number = itertools.count()
        self._rank: dict[str, int] = {}
        self._waiting: dict[str, Trial] = {}

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """A trial waits: a new one, or one whose process died."""
        if trial.trial_id not in self._rank:
            self._rank[trial.trial_id] = next(self._number)
        self._waiting[trial.trial_id] = trial

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The waiting trial of the lowest rank."""
        self._waiting = {key: trial for key, trial in self._waiting.items() if trial.status == Trial.PENDING}
        return self._waiting[min(self._waiting, key=self._rank.__getitem__)] if self._waiting else None

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: dict[str, object]) -> None:
        """The trial is over."""
        self._rank.pop(trial.trial_id, None)
