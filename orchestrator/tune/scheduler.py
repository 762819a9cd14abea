"""Passes what processes report to the driver, which decides whether a process goes on; starts processes in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.trial.report import ProcessReport

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


class ProcessScheduler(FIFOScheduler):
    """Ray Tune's trials, that is processes, in the order in which they began to wait.

    At each step, Tune's own scheduler looks through all of its trials, ended ones included.

    Args:
        on_report: called with Tune's name of a process and its report; returns whether the process goes on.
    """

    def __init__(self, on_report: Callable[[str, ProcessReport], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray ships few types
        self._on_report = on_report
        self._waiting: dict[str, Trial] = {}

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """A process is to be started: a new one, or one that died."""
        self._waiting[trial.trial_id] = trial

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The process that has waited longest."""
        self._waiting = {key: trial for key, trial in self._waiting.items() if trial.status == Trial.PENDING}
        return next(iter(self._waiting.values()), None)

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: Mapping[str, object]) -> str:
        """A step of the process has ended."""
        goes_on = self._on_report(trial.trial_id, cast(ProcessReport, result["report"]))
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP
