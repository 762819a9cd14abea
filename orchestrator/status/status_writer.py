"""What the driver reports while it works: `status.json` for observers, and lines or a live display on stderr."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fdt_core.error_text import informative_line
from fdt_core.files.atomic_files import write_text_atomically
from orchestrator.plan.cells import Cell
from orchestrator.run.backlog import Progress
from orchestrator.run.driver_status import SHOWN_TRIALS, DriverPlace, DriverState, DriverStatus, RunningStatus
from orchestrator.run.ledger import TrialState
from orchestrator.trial.report import TrialReport

STATUS_SECONDS = 1.0
RUNNING_SECONDS = 30.0


@dataclass
class RunningTrial:
    """A running trial, as far as it has reported."""

    cell: Cell
    since: float
    """Seconds on the writer's clock."""
    epoch: int = 0
    test_accuracy: float | None = None
    images_per_second: float | None = None
    epoch_seconds: float | None = None
    host: str = ""

    def status(self, now: float) -> RunningStatus:
        """The trial as `status.json` shows it, at a time on the writer's clock."""
        spec = self.cell.spec
        left = spec.recipe.epochs - self.epoch
        return RunningStatus(
            trial_id=self.cell.trial_id,
            model=spec.model,
            template=self.cell.template,
            dataset=spec.dataset,
            variant=self.cell.variant,
            stage=self.cell.stage,
            candidate=self.cell.candidate,
            seed=spec.seed,
            epoch=self.epoch,
            epochs=spec.recipe.epochs,
            test_accuracy=self.test_accuracy,
            images_per_second=self.images_per_second,
            eta_seconds=None if self.epoch_seconds is None else left * self.epoch_seconds,
            running_seconds=now - self.since,
            host=self.host,
        )


@dataclass
class StatusWriter:
    """Follows one driver.

    Args:
        status_file: rewritten about once a second.
        running_file: all running trials, if there are more than `status_file` shows; rewritten more rarely.
        driver: identifies the driver to observers.
        beat: called with a counter that rises with each write of the status.
        say: prints one line.
        show: redraws a live display of the running trials, if there is one.
        clock: seconds that never run backwards.
    """

    status_file: Path
    running_file: Path
    driver: DriverPlace
    beat: Callable[[int], None] = lambda _counter: None
    say: Callable[[str], None] = lambda _line: None
    show: Callable[[Progress, list[RunningTrial]], None] = lambda _progress, _running: None
    clock: Callable[[], float] = time.monotonic
    running: dict[str, RunningTrial] = field(default_factory=dict)
    state: DriverState = "running"
    _counter: int = 0
    _written_at: float = float("-inf")
    _running_written_at: float = float("-inf")

    def started(self, cell: Cell) -> None:
        """A process has started to work on the trial."""
        self.running[cell.trial_id] = RunningTrial(cell=cell, since=self.clock())

    def reported(self, cell: Cell, report: TrialReport) -> None:
        """A trial has taken a step."""
        trial = self.running.setdefault(cell.trial_id, RunningTrial(cell=cell, since=self.clock()))
        trial.host = report.place.hostname
        for record in report.epochs:
            trial.epoch = record.epoch
            trial.epoch_seconds = record.seconds
            trial.images_per_second = record.images_per_second
            if record.test_accuracy is not None:
                trial.test_accuracy = record.test_accuracy

    def ended(
        self,
        cell: Cell,
        report: TrialReport,
        state: TrialState,
        progress: Progress,
        seconds: float | None = None,
    ) -> None:
        """An attempt has ended, after so many `seconds` (None: as long as it was known to run).

        `state` is the trial's new state.
        """
        trial = self.running.pop(cell.trial_id, None)
        if seconds is None:
            seconds = self.clock() - trial.since if trial else 0.0
        self.say(f"{_position(progress)} {cell.label}  {_ending(report, state)}  {seconds:.1f} s")
        if report.error:
            log = self.status_file.parent / "logs" / f"{cell.trial_id}.log"
            self.say(f"  {report.outcome}: {informative_line(report.error)}  (log: {log})")

    def died(self, cell: Cell, what_follows: str) -> None:
        """The process of a trial has died; that the trial waits again, or has ended, is to be told next."""
        self.say(f"{cell.label}  its process died: {what_follows}")

    def returned(self, cell: Cell) -> None:
        """No process works on the trial now: it waits again."""
        self.running.pop(cell.trial_id, None)

    def stopping(self, reason: str) -> None:
        """The driver was asked to stop."""
        self.state = "stopping"
        self.say(f"stopping: {reason}; running trials save their state")

    def tick(self, progress: Progress) -> None:
        """Rewrite the status and the display if it is time."""
        if self.clock() - self._written_at >= STATUS_SECONDS:
            self.write(progress)
            self.show(progress, self._longest_running())

    def write(self, progress: Progress, state: DriverState | None = None) -> None:
        """Rewrite the status now."""
        self.state = state or self.state
        self._counter += 1
        self._written_at = now = self.clock()
        running = self._longest_running()
        status = DriverStatus(
            state=self.state,
            driver=self.driver,
            written_at=datetime.now(UTC),
            running=tuple(trial.status(now) for trial in running[:SHOWN_TRIALS]),
            more_running=max(len(running) - SHOWN_TRIALS, 0),
        )
        more = {"counter": self._counter, "progress": progress.to_json()}  # for tools of users
        write_text_atomically(self.status_file, json.dumps(status.to_json() | more))
        if status.more_running and now - self._running_written_at >= RUNNING_SECONDS:
            self._running_written_at = now
            rows = [asdict(trial.status(now)) for trial in running]
            written_at = status.written_at.isoformat()
            write_text_atomically(self.running_file, json.dumps({"written_at": written_at, "running": rows}))
        self.beat(self._counter)

    def _longest_running(self) -> list[RunningTrial]:
        """The running trials, those first that have run longest."""
        return sorted(self.running.values(), key=lambda trial: trial.since)


def _position(progress: Progress) -> str:
    width = len(str(progress.asked))
    return f"[{progress.ended:{width}d}/{progress.asked}]"


def _ending(report: TrialReport, state: TrialState) -> str:
    last = report.result.history[-1] if report.result and report.result.history else None
    if last is not None and report.outcome in ("done", "stopped"):
        how = "done" if report.outcome == "done" else f"stopped after epoch {last.epoch}"
        if last.test_accuracy is not None:
            return f"{how}  {last.test_accuracy:.2f} %"
        held_out = last.validation_accuracy
        return how if held_out is None else f"{how}  {held_out:.2f} % of the held-out images"
    if report.outcome == "diverged":
        return "diverged (loss not finite)"
    return f"failed ({report.outcome})" + ("; will be tried again" if state is TrialState.WAITING else "")
