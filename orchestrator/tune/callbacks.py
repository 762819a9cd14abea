"""Between Ray Tune and the driver: Tune's events, and the end of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.trial.report import ProcessReport

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


class EventHandler(Protocol):
    """Handles what happens to the processes of a round. Nothing may be raised: Tune would end the run with it."""

    def on_death(self, name: str, error_file: str | None) -> None:
        """A process has died; Tune starts it again, and has written why it died into `error_file`."""

    def on_gone(self, name: str) -> None:
        """Tune has given a process up, and does not start it again."""

    def on_tick(self) -> None:
        """Called several times a second."""


class DriverCallback(tune.Callback):
    """Passes Tune's events to the driver."""

    def __init__(self, driver: EventHandler) -> None:
        self._driver = driver

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, object], **info: object
    ) -> None:
        """The scheduler has passed the report on: Tune, which keeps every process's last result, must not hold it."""
        result.pop("report")

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """The process has died."""
        self._driver.on_death(trial.trial_id, trial.error_file)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """The process died while Tune was about to start it on a warm one, as after the loss of a node with both."""
        self._driver.on_gone(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        """Called several times a second."""
        self._driver.on_tick()


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


class StopWhen(tune.Stopper):
    """Ends Tune's run, never a single process."""

    def __init__(self, may_stop: Callable[[], bool]) -> None:
        self._may_stop = may_stop

    def __call__(self, trial_id: str, result: Mapping[str, object]) -> bool:
        """Whether this process alone must stop: never."""
        return False

    def stop_all(self) -> bool:
        """Whether Tune may end its run."""
        return self._may_stop()

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune writes its stopper with its state, which is never read
