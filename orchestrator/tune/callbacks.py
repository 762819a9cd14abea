"""Between Ray Tune and the driver: Tune's events, and the end of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ray import tune
from ray.tune.experiment import Trial


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
