"""The driver: gives the backlog to Ray Tune, and has a row written whenever a trial ends.

Tune schedules and restarts; everything that must survive it is in the ledger and in the trials' checkpoints, so its
own state is disposable. A launch is a loop of Tune runs, each with the resources that its trials need.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass
from pathlib import Path

from ray import tune
from ray.tune.experiment import Trial

from cluster.machine.drain import raise_drain_flag, read_drain_flag
from fdt_core.error_text import informative_line
from fdt_core.errors import EnvironmentProblem
from fdt_core.training.checkpoint import Keep
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.backlog import Backlog, Progress
from orchestrator.run.recorder import Recorder
from orchestrator.run.retry_policy import BUSY_REPORTS, DEATHS_WITHOUT_PROGRESS
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import BUSY_SECONDS, Outcome
from orchestrator.trial.report import ProcessLocation, TrialReport
from orchestrator.trial.time_limit import take_expiry
from orchestrator.tune.callbacks import DriverCallback, StopWhen, quiet_tune
from orchestrator.tune.driver_node import DriverNode
from orchestrator.tune.failed_start import explain_failed_start
from orchestrator.tune.process_deaths import Deaths, FailedStarts
from orchestrator.tune.scheduler import PlanOrderScheduler
from orchestrator.tune.searcher import BacklogSearcher
from orchestrator.tune.trainable import SessionFactory, sweep_trainable, training_session

DRAIN_SECONDS = 60.0
"""After a request to stop, epochs that end within so many seconds are finished, others abandoned."""

PATIENCE_SECONDS = 30.0
"""Longer than this past the drain's deadline no process is waited for."""


@dataclass(frozen=True, kw_only=True)
class OrderTemplate:
    """What every trial's order has in common."""

    run_directory: str
    data_directory: str
    device: str
    checkpoint_interval: float
    keep: Keep
    time_limit: float | None = None


class Driver:
    """Runs a backlog to its end, or until it is told to stop.

    Args:
        run: the run directory.
        backlog: what is to be done.
        recorder: writes the rows.
        template: what every trial's order has in common.
        needs: resources of a trial.
        drain_flag: file whose appearance tells all trials to save and leave.
        scratch: private directory on this machine's own disk, for Tune's state.
        watch: tells people and files what happens.
        make_session: what a trial does.
        asked_to_stop: looked at several times a second: why to stop, None as long as nobody wants that.
        max_failures: so many given-up trials end the sweep.
        leaving: ids of Ray nodes that are about to go: deaths of processes there count against no trial.
        tell_progress: called several times a second.
        tell_device_failure: called with the place of a process in which a trial failed by its device.

    Attributes:
        stop_reason: why the driver stopped before the backlog was empty; None where it did not.
        interrupted: whether it stopped for a reason other than the limit of failed trials.
    """

    def __init__(
        self,
        run: RunDirectory,
        backlog: Backlog,
        recorder: Recorder,
        *,
        template: OrderTemplate,
        needs: TrialSlots,
        drain_flag: Path,
        scratch: Path,
        watch: StatusWriter,
        make_session: SessionFactory = training_session,
        asked_to_stop: Callable[[], str | None] = lambda: None,
        max_failures: int | None = None,
        leaving: Container[str] = frozenset(),
        tell_progress: Callable[[Progress], None] = lambda _progress: None,
        tell_device_failure: Callable[[ProcessLocation], None] = lambda _place: None,
    ) -> None:
        self.stop_reason: str | None = None
        self.interrupted = False
        self._asked_to_stop = asked_to_stop
        self._run = run
        self._backlog = backlog
        self._recorder = recorder
        self._template = template
        self._needs = needs
        self._drain_flag = drain_flag
        self._scratch = scratch
        self._watch = watch
        self._max_failures = max_failures
        self._trainable = sweep_trainable(make_session)
        self._deaths = Deaths(run.checkpoints, leaving)
        self._failed_starts = FailedStarts()
        self._tell_progress = tell_progress
        self._tell_device_failure = tell_device_failure
        self._places: dict[str, str | None] = {}  # of the processes at work that have reported: the nodes they are on
        self._own_node = DriverNode()
        self._at_work: set[str] = set()
        self._leaving: set[str] = set()
        self._busy: Counter[str] = Counter()  # reports in a row that a trial's device is in use by another process
        self._stop_by = float("inf")
        self._broken_by: BaseException | None = None

    def must_stop(self) -> bool:
        """Whether the driver stops, or somebody has asked it to: then it begins to."""
        if reason := self._asked_to_stop():
            self.stop(reason)
        return self.stop_reason is not None

    def stop(self, reason: str, *, interrupted: bool = True) -> None:
        """Begin no further trial, and have the running ones save their state and leave. Only the first call counts."""
        if self.stop_reason is None:
            self.stop_reason, self.interrupted = reason, interrupted
            # Where somebody has raised the flag already, as the head's job does on Slurm, that deadline stands.
            deadline = read_drain_flag(self._drain_flag) or time.time() + DRAIN_SECONDS
            self._stop_by = time.monotonic() + deadline - time.time() + PATIENCE_SECONDS
            self._watch.stopping(reason)
            raise_drain_flag(self._drain_flag, deadline)

    def run(self) -> None:
        """Run rounds until nothing waits or `stop` was called.

        Raises whatever broke the writing of the ledger: OSError (a full disk), or Overtaken.
        """
        while not self.must_stop():
            whole_device = not self._backlog.has_waiting(whole_device=False)
            if whole_device and not self._backlog.has_waiting(whole_device=True):
                break
            self._round(whole_device)
        if self._broken_by is not None:
            raise self._broken_by
        self._recorder.tick(now=True)

    def _round(self, whole_device: bool) -> None:
        """One run of Ray Tune, over all trials with one kind of resources."""
        needs = self._needs
        slots = max(int(needs.slots * needs.gpus / needs.whole_gpus), 1) if whole_device and needs.gpus else needs.slots
        gpus = needs.whole_gpus if whole_device else needs.gpus
        resources = tune.PlacementGroupFactory([{"CPU": needs.cpus, **({"GPU": gpus} if gpus else {})}])
        queue = BacklogSearcher(lambda: self._next_order(whole_device))
        with tempfile.TemporaryDirectory(prefix="tune-", dir=self._scratch) as scratch, quiet_tune(slots):
            # Not tune.Tuner: it pickles callbacks and searcher, to restore a run that is never restored.
            tune.run(
                self._trainable,
                name="round",
                search_alg=queue,
                scheduler=PlanOrderScheduler(),
                num_samples=-1,
                resources_per_trial=resources,
                reuse_actors=True,
                callbacks=[DriverCallback(self)],
                stop=StopWhen(self._may_stop),
                max_failures=-1,
                raise_on_failed_trial=False,
                storage_path=scratch,
                verbose=0,
            )
        for trial_id in self._backlog.running():
            self._backlog.returned(trial_id)
        self._at_work.clear()

    def _next_order(self, whole_device: bool) -> TrialOrder | None:
        if self.must_stop():
            return None
        cell = self._backlog.next(whole_device=whole_device)
        if cell is None:
            return None
        attempt = self._backlog.attempt(cell.trial_id)
        return TrialOrder(
            trial_id=cell.trial_id,
            spec=cell.spec.to_json(),
            attempt=attempt,
            dataset_digest=self._recorder.dataset_digest(cell.spec.dataset),
            gpu_share=self._needs.gpu_share(whole_device=whole_device),
            **asdict(self._template),
        )

    def _may_stop(self) -> bool:
        """Whether Tune may end its run: a stop was asked for, and no trial still saves its state (or for too long)."""
        if self._broken_by is not None:
            return True
        return self.stop_reason is not None and (not self._at_work or time.monotonic() > self._stop_by)

    def on_start(self, trial_id: str) -> None:
        """A process begins (or begins again) to work on a trial."""
        self._at_work.add(trial_id)
        self._places.pop(trial_id, None)
        self._watch.started(self._backlog.cells_of(trial_id)[0])

    def on_report(self, report: TrialReport) -> None:
        """A step has ended: record it."""
        cells = self._backlog.cells_of(report.trial_id)
        self._places[report.trial_id] = report.place.node_id
        self._failed_starts.end_row()
        self._recorder.record(cells, report)
        self._watch.reported(cells[0], report)
        if report.epochs:
            del self._busy[report.trial_id]
        if report.outcome is None:
            return
        self._at_work.discard(report.trial_id)
        if report.outcome in (Outcome.DRAINED, Outcome.BUSY):
            self._leaving.add(report.trial_id)
            self._busy[report.trial_id] += report.outcome == Outcome.BUSY
            if report.outcome == Outcome.BUSY and self._busy[report.trial_id] == 1:
                self._watch.say(f"{cells[0].label}  another process uses its device: trying every {BUSY_SECONDS:g} s")
        elif report.outcome == Outcome.ENVIRONMENT:
            self._backlog.returned(report.trial_id)
            self.on_broken(EnvironmentProblem(informative_line(report.error or "")))
        else:
            if report.outcome == Outcome.DEVICE:
                self._tell_device_failure(report.place)
            state = self._backlog.ended(report.trial_id)
            self._deaths.forget(report.trial_id)
            del self._places[report.trial_id]
            self._watch.ended(cells[0], report, state, self._backlog.progress())
            self._stop_at_too_many_failures()

    def on_death(self, trial: Trial) -> None:
        """A trial's process has died; Tune will start it again. The third death without progress gives it up.

        One that had reported nothing yet had touched nothing of the trial, and its node is unknown: it does not count.
        """
        trial_id = trial.config["trial_id"]
        self._at_work.discard(trial_id)
        if trial_id in self._leaving:
            self._leaving.remove(trial_id)
            if self._busy[trial_id] >= BUSY_REPORTS:
                seconds = BUSY_REPORTS * BUSY_SECONDS
                trial.config["verdict"] = (
                    Outcome.DEVICE,
                    f"the device was in use by another process for {seconds:.0f} s",
                )
            return
        cell = self._backlog.cells_of(trial_id)[0]
        had_reported, node_id = trial_id in self._places, self._places.pop(trial_id, None)
        if not had_reported:
            self._watch.died(cell, "it had not begun yet, and is started again")
            if self._failed_starts.add():
                why = explain_failed_start(trial.error_file, self._scratch, self._run.logs / "failed-start.log")
                self.on_broken(EnvironmentProblem(f"the processes of trials cannot start: {why}"))
            return
        if expired := take_expiry(self._run.checkpoints / trial_id):
            trial.config["verdict"] = (
                Outcome.ERROR,
                f"{expired}time limit of {self._template.time_limit:g} s exceeded",
            )
            self._watch.died(cell, "it exceeded its time limit")
            return
        count = self._deaths.count(trial_id, node_id)
        self._watch.died(cell, "resuming from its checkpoint" + (f" (death {count} without progress)" if count else ""))
        if count >= DEATHS_WITHOUT_PROGRESS:
            trial.config["verdict"] = (
                Outcome.CRASH,
                f"the process died {count} times without a new checkpoint in between",
            )

    def on_tick(self) -> None:
        """Called by Tune several times a second."""
        self._recorder.tick()
        progress = self._backlog.progress()
        self._watch.tick(progress)
        self._tell_progress(progress)
        self.must_stop()
        if self._own_node.is_lost():
            self.stop("the Ray node of the driver has died")
            self._at_work.clear()  # nobody is left to wait for

    def on_broken(self, error: BaseException) -> None:
        """The ledger cannot be written: end the run without losing what the checkpoints hold."""
        if self._broken_by is None:
            self._broken_by = error
            self.stop(str(error))

    def _stop_at_too_many_failures(self) -> None:
        failed = self._backlog.progress().failed
        if self._max_failures is not None and failed >= self._max_failures:
            self.stop(f"{failed} failed trials (the limit is {self._max_failures})", interrupted=False)
