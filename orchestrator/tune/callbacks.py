"""Between Ray Tune and the driver: Tune's events, and the end of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, cast

from ray import tune
from ray.tune.experiment import Trial

from orchestrator.trial.report import TrialReport


class EventHandler(Protocol):
    """Handles what happens to the trials of a round."""

    def on_start(self, trial_id: str) -> None:
        """A process starts to work on the trial, for the first time or again."""

    def on_report(self, report: TrialReport) -> None:
        """A step of a trial has ended."""

    def on_death(self, trial: Trial) -> None:
        """The process of a trial has died."""

    def on_tick(self) -> None:
        """Called several times a second."""

    def on_broken(self, error: BaseException) -> None:
        """Handling an event has failed."""


class DriverCallback(tune.Callback):
    """Passes Tune's events to the driver. Nothing may raise here: Tune would end the run with its own error."""

    def __init__(self, driver: EventHandler) -> None:
        self._driver = driver

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """A process starts to work on the trial."""
        self._guarded(self._driver.on_start, trial.config["trial_id"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, object], **info: object
    ) -> None:
        """A step has ended."""
        self._guarded(self._driver.on_report, cast(TrialReport, result.pop("report")))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """Free what is never read."""
        # Tune keeps every trial, with all its metrics, in memory and in its state until the round ends.
        trial.run_metadata.last_result = {}
        trial.run_metadata.metric_analysis = {}
        trial.run_metadata.metric_n_steps = {}

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """The trial's process has died."""
        self._guarded(self._driver.on_death, trial)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        """Called several times a second."""
        self._guarded(self._driver.on_tick)

    def _guarded(self, handle: Callable[..., None], *arguments: object) -> None:
        try:
            handle(*arguments)
        except Exception as error:  # passed to the driver, which raises it once Tune has ended
            self._driver.on_broken(error)


class StopWhen(tune.Stopper):
    """Ends Tune's run, never a single trial."""

    def __init__(self, may_stop: Callable[[], bool]) -> None:
        self._may_stop = may_stop

    def __call__(self, trial_id: str, result: Mapping[str, object]) -> bool:
        """Whether this trial alone must stop: never."""
        return False

    def stop_all(self) -> bool:
        """Whether Tune may end its run."""
        return self._may_stop()

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune writes its stopper with its state, which is never read
