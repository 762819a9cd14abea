"""What becomes of a trial: rows for what its process reports, retries, and verdicts on devices and dead processes."""

from __future__ import annotations

import time
from collections.abc import Callable

from fdt_core.error_text import informative_line
from fdt_core.errors import EnvironmentProblem
from orchestrator.plan.cells import Cell
from orchestrator.run.backlog import Backlog
from orchestrator.run.open_run import OpenRun
from orchestrator.run.retry_policy import BUSY_LIMIT_SECONDS, DEATHS_WITHOUT_PROGRESS
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import BUSY_SECONDS, Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from orchestrator.trial.time_limit import take_expiry
from orchestrator.tune.process_deaths import Deaths


class TrialEvents:
    """Moves trials of a run's backlog on, as they are reported on or lose their process.

    Args:
        work: the run, what is left of it, and the recorder that writes its rows.
        status: reports to people and files what happens.
        deaths: counts the deaths of each trial's processes.
        on_device_failure: called with the location of a process whose trial failed because of its device.
        on_environment: called with what is wrong if no trial can go on.
        clock: seconds that never run backwards.
    """

    def __init__(
        self,
        work: OpenRun,
        status: StatusWriter,
        deaths: Deaths,
        *,
        on_device_failure: Callable[[ProcessLocation], None],
        on_environment: Callable[[EnvironmentProblem], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = work.run
        self._backlog: Backlog = work.backlog
        self._recorder = work.recorder
        self._status = status
        self._deaths = deaths
        self._on_device_failure = on_device_failure
        self._on_environment = on_environment
        self._clock = clock
        self._busy_since: dict[tuple[str, str | None], float] = {}
        """When a device was first in use by another process, of those that were whenever a trial tried since then."""

    def reported(self, report: TrialReport, seconds: float | None = None) -> None:
        """Record what is new of a trial; if it has ended, its process has worked on it for so many `seconds`."""
        cell = self._record(report)
        self._status.reported(cell, report)
        if report.epochs:
            self._busy_since.pop(_device(report.place), None)
        if report.outcome is None:
            return
        if report.outcome == Outcome.DRAINED:
            self.put_back(report.trial_id)
        elif report.outcome == Outcome.BUSY:
            self._device_in_use(cell, report)
        elif report.outcome == Outcome.ENVIRONMENT:
            self.put_back(report.trial_id)
            self._on_environment(EnvironmentProblem(informative_line(report.error or "")))
        else:
            self._ended(cell, report, seconds)

    def put_back(self, trial_id: str) -> None:
        """No process works on the trial now: it waits again."""
        self._backlog.returned(trial_id)
        self._status.returned(self._backlog.cells_of(trial_id)[0])

    def exceeded_time_limit(self, order: TrialOrder) -> str | None:
        """What the time limit wrote when it ended the trial's process; None if it did not. Returned only once."""
        return take_expiry(self._run.checkpoints / order.trial_id)

    def timed_out(self, order: TrialOrder, place: ProcessLocation, traceback: str) -> None:
        """The time limit has ended the trial's process at `place`."""
        self._status.died(self._backlog.cells_of(order.trial_id)[0], "it exceeded its time limit")
        error = f"{traceback}time limit of {order.settings.time_limit:g} s exceeded"
        self._give_up(order.trial_id, order.attempt, place, Outcome.ERROR, error)

    def died(self, order: TrialOrder, place: ProcessLocation) -> None:
        """The trial's process at `place` has died. The third death without progress gives the trial up."""
        count = self._deaths.count(order.trial_id, place.node_id)
        counted = f" (death {count} without progress)" if count else ""
        cell = self._backlog.cells_of(order.trial_id)[0]
        self._status.died(cell, f"resuming from its checkpoint{counted}")
        if count < DEATHS_WITHOUT_PROGRESS:
            self.put_back(order.trial_id)
            return
        error = f"the process died {count} times without a new checkpoint in between"
        self._give_up(order.trial_id, order.attempt, place, Outcome.CRASH, error)

    def _device_in_use(self, cell: Cell, report: TrialReport) -> None:
        """Another process uses the trial's device: it is tried again, but not for ever."""
        device, now = _device(report.place), self._clock()
        if device not in self._busy_since:
            self._busy_since[device] = now - BUSY_SECONDS  # its process has waited for so long before it reported
            self._status.say(f"{cell.label}  another process uses its device: trying every {BUSY_SECONDS:g} s")
        if now - self._busy_since[device] < BUSY_LIMIT_SECONDS:
            self.put_back(cell.trial_id)
            return
        del self._busy_since[device]
        error = f"the device was in use by another process for {BUSY_LIMIT_SECONDS:.0f} s"
        self._give_up(report.trial_id, report.attempt, report.place, Outcome.DEVICE, error)

    def _give_up(self, trial_id: str, attempt: int, place: ProcessLocation, outcome: Outcome, error: str) -> None:
        """End an attempt whose process did not say itself how it ended."""
        report = TrialReport(trial_id=trial_id, attempt=attempt, place=place, outcome=outcome, error=error)
        self._ended(self._record(report), report)

    def _record(self, report: TrialReport) -> Cell:
        cells = self._backlog.cells_of(report.trial_id)
        self._recorder.record(cells, report)
        return cells[0]

    def _ended(self, cell: Cell, report: TrialReport, seconds: float | None = None) -> None:
        """An attempt is over, and its row written."""
        if report.outcome == Outcome.DEVICE:
            self._on_device_failure(report.place)
        state = self._backlog.ended(cell.trial_id)
        self._recorder.decide(self._backlog.wanted.decisions(cell.trial_id))
        self._recorder.drop_checkpoints(self._backlog.wanted.eliminated(cell.trial_id))
        self._deaths.forget(cell.trial_id)
        self._status.ended(cell, report, state, self._backlog.progress(), seconds)


def _device(place: ProcessLocation) -> tuple[str, str | None]:
    """The device that a process uses, by host and by its name there."""
    return place.hostname, place.device_uuid or place.device_id
