"""The driver: gives the backlog to Ray Tune, and has a row written whenever a trial ends.

Tune schedules and restarts. Everything that must survive it is in the ledger and in the trials' checkpoints, so its
own state is disposable. A launch is a loop of rounds: runs of Tune, each with the resources that its trials need.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Callable

from ray import tune
from ray.tune.experiment import Trial

from cluster.machine.drain import raise_drain_flag, read_drain_flag
from cluster.machine.drain_timeline import driver_patience, local_drain_deadline
from fdt_core.error_text import informative_line
from fdt_core.errors import EnvironmentProblem
from fdt_core.results.tuning import TUNED
from orchestrator.run.open_run import OpenRun
from orchestrator.run.retry_policy import BUSY_REPORTS, DEATHS_WITHOUT_PROGRESS
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.order import TrialOrder, TrialSettings
from orchestrator.trial.outcome import BUSY_SECONDS, Outcome
from orchestrator.trial.report import TrialReport
from orchestrator.trial.time_limit import take_expiry
from orchestrator.tune.callbacks import DriverCallback, StopWhen
from orchestrator.tune.compute import Compute
from orchestrator.tune.environment import quiet_tune
from orchestrator.tune.failed_start import explain_failed_start
from orchestrator.tune.process_deaths import Losses
from orchestrator.tune.scheduler import PlanOrderScheduler
from orchestrator.tune.searcher import BacklogSearcher
from orchestrator.tune.trainable import SessionFactory, sweep_trainable, training_session


class Driver:
    """Runs a backlog to its end, or until it is asked to stop.

    Args:
        work: the run, what is left of it, and the recorder that writes its rows. Its settings may limit how many
            trials may be given up before the sweep ends.
        compute: where trials run.
        status: reports to people and files what happens.
        stop_request: called several times a second: why to stop; None if there is no reason to.
        make_session: what a trial does.
        losses: judges lost nodes and dead processes, by default from what Ray reports.

    Attributes:
        stop_reason: why the driver stopped before the backlog was empty; None if it did not.
        interrupted: whether it stopped for a reason other than the limit of failed trials.
    """

    def __init__(
        self,
        work: OpenRun,
        compute: Compute,
        status: StatusWriter,
        *,
        stop_request: Callable[[], str | None] = lambda: None,
        make_session: SessionFactory = training_session,
        losses: Losses | None = None,
    ) -> None:
        self.stop_reason: str | None = None
        self.interrupted = False
        self._run = work.run
        self._backlog = work.backlog
        self._recorder = work.recorder
        self._max_failures = work.settings.max_failures
        self._trial_settings = trial_settings(work, compute.device)
        self._compute = compute
        self._drain_flag = compute.drain_flag
        self._status = status
        self._stop_request = stop_request
        self._trainable = sweep_trainable(make_session)
        self._losses = losses or Losses.seen_by_ray(work.run.checkpoints, compute.departing)
        self._node_of: dict[str, str | None] = {}  # the node of each trial whose current process has reported
        self._active: set[str] = set()  # trials that a process works on
        self._expected_exits: set[str] = set()  # trials whose process has reported that it exits
        self._busy: Counter[str] = Counter()  # consecutive reports that another process uses the trial's device
        self._stop_by = float("inf")
        self._broken_by: BaseException | None = None

    def must_stop(self) -> bool:
        """Whether the driver is stopping; starts to stop if that was requested."""
        if reason := self._stop_request():
            self.stop(reason)
        return self.stop_reason is not None

    def stop(self, reason: str, *, interrupted: bool = True) -> None:
        """Start no further trial, and have the running ones save their state and leave. Only the first call counts."""
        if self.stop_reason is None:
            self.stop_reason, self.interrupted = reason, interrupted
            # If the flag is already raised, as the head's job does on Slurm, its deadline stands.
            deadline = read_drain_flag(self._drain_flag) or local_drain_deadline(time.time())
            self._stop_by = time.monotonic() + driver_patience(deadline, time.time())
            self._status.stopping(reason)
            raise_drain_flag(self._drain_flag, deadline)

    def run(self) -> None:
        """Run rounds until nothing waits or `stop` was called.

        Raises what stopped the ledger from being written: OSError (a full disk), or Overtaken; EnvironmentProblem if
        trials cannot run at all, or if `on_progress` raises it.
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
        """One run of Ray Tune, over all trials that need the same resources."""
        needs = self._compute.slots
        slots = max(int(needs.slots * needs.gpus / needs.whole_gpus), 1) if whole_device and needs.gpus else needs.slots
        gpus = needs.whole_gpus if whole_device else needs.gpus
        resources = tune.PlacementGroupFactory([{"CPU": needs.cpus, **({"GPU": gpus} if gpus else {})}])
        queue = BacklogSearcher(lambda: self.next_order(whole_device=whole_device), self._may_want_more)
        with tempfile.TemporaryDirectory(prefix="tune-", dir=self._compute.scratch) as scratch, quiet_tune(slots):
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
                stop=StopWhen(self.may_stop),
                max_failures=-1,
                raise_on_failed_trial=False,
                storage_path=scratch,
                verbose=0,
            )
        for trial_id in self._backlog.running():
            self._backlog.returned(trial_id)
        self._active.clear()

    def next_order(self, *, whole_device: bool) -> TrialOrder | None:
        """Take the next trial that runs with (or without) a device to itself; None if none waits, or none may start."""
        if self.must_stop():
            return None
        cell = self._backlog.next(whole_device=whole_device)
        if cell is None:
            return None
        attempt = self._backlog.attempt(cell.trial_id)
        settings = self._trial_settings
        return TrialOrder(
            settings=dataclasses.replace(settings, keep="none") if cell.stage == TUNED else settings,
            trial_id=cell.trial_id,
            spec=cell.spec.to_json(),
            attempt=attempt,
            dataset_digest=self._recorder.dataset_digest(cell.spec.dataset),
            until=self._backlog.wanted.until(cell.trial_id),
            gpu_share=self._compute.slots.gpu_share(whole_device=whole_device),
        )

    def _may_want_more(self) -> bool:
        """Whether a running trial may end with a look that asks for more: the round then goes on."""
        return not self.must_stop() and self._backlog.may_want_more()

    def may_stop(self) -> bool:
        """Whether Tune may end its run: a stop was requested, and no trial is still saving (or one takes too long)."""
        if self._broken_by is not None:
            return True
        return self.stop_reason is not None and (not self._active or time.monotonic() > self._stop_by)

    def on_start(self, trial_id: str) -> None:
        """A process starts to work on a trial, for the first time or again."""
        self._active.add(trial_id)
        self._node_of.pop(trial_id, None)
        self._status.started(self._backlog.cells_of(trial_id)[0])

    def on_report(self, report: TrialReport) -> None:
        """Record a step that has ended."""
        cells = self._backlog.cells_of(report.trial_id)
        self._node_of[report.trial_id] = report.place.node_id
        self._losses.failed_starts.end_series()
        self._recorder.record(cells, report)
        self._status.reported(cells[0], report)
        if report.epochs:
            del self._busy[report.trial_id]
        if report.outcome is None:
            return
        self._active.discard(report.trial_id)
        if report.outcome in (Outcome.DRAINED, Outcome.BUSY):
            self._expected_exits.add(report.trial_id)
            self._busy[report.trial_id] += report.outcome == Outcome.BUSY
            if report.outcome == Outcome.BUSY and self._busy[report.trial_id] == 1:
                self._status.say(f"{cells[0].label}  another process uses its device: trying every {BUSY_SECONDS:g} s")
        elif report.outcome == Outcome.ENVIRONMENT:
            self._backlog.returned(report.trial_id)
            self.on_broken(EnvironmentProblem(informative_line(report.error or "")))
        else:
            if report.outcome == Outcome.DEVICE:
                self._compute.on_device_failure(report.place)
            state = self._backlog.ended(report.trial_id)
            self._recorder.decide(self._backlog.wanted.decisions(report.trial_id))
            self._recorder.drop_checkpoints(self._backlog.wanted.eliminated(report.trial_id))
            self._losses.deaths.forget(report.trial_id)
            del self._node_of[report.trial_id]
            self._status.ended(cells[0], report, state, self._backlog.progress())
            self._stop_at_too_many_failures()

    def on_death(self, trial: Trial) -> None:
        """A trial's process has died; Tune will start it again. The third death without progress gives the trial up.

        A process that had reported nothing had touched nothing of the trial, and its node is unknown: its death does
        not count.
        """
        trial_id = trial.config["trial_id"]
        self._active.discard(trial_id)
        if trial_id in self._expected_exits:
            self._expected_exits.remove(trial_id)
            if self._busy[trial_id] >= BUSY_REPORTS:
                seconds = BUSY_REPORTS * BUSY_SECONDS
                _judge(trial, Outcome.DEVICE, f"the device was in use by another process for {seconds:.0f} s")
            return
        cell = self._backlog.cells_of(trial_id)[0]
        had_reported, node_id = trial_id in self._node_of, self._node_of.pop(trial_id, None)
        if not had_reported:
            self._status.died(cell, "it had not started its trial, and is started again")
            if self._losses.failed_starts.add():
                why = explain_failed_start(trial.error_file, self._compute.scratch, self._run.logs / "failed-start.log")
                self.on_broken(EnvironmentProblem(f"the processes of trials cannot start: {why}"))
            return
        if expired := take_expiry(self._run.checkpoints / trial_id):
            _judge(trial, Outcome.ERROR, f"{expired}time limit of {self._trial_settings.time_limit:g} s exceeded")
            self._status.died(cell, "it exceeded its time limit")
            return
        count = self._losses.deaths.count(trial_id, node_id)
        counted = f" (death {count} without progress)" if count else ""
        self._status.died(cell, f"resuming from its checkpoint{counted}")
        if count >= DEATHS_WITHOUT_PROGRESS:
            _judge(trial, Outcome.CRASH, f"the process died {count} times without a new checkpoint in between")

    def on_tick(self) -> None:
        """Called by Tune several times a second."""
        self._recorder.tick()
        progress = self._backlog.progress()
        self._status.tick(progress)
        self._compute.on_progress(progress)
        self.must_stop()
        if self._losses.own_node_is_lost():
            self.stop("the Ray node of the driver has died")
            self._active.clear()  # no process is left to wait for

    def on_broken(self, error: BaseException) -> None:
        """End the run because handling an event failed; the trials save their state, and `run` raises `error`."""
        if self._broken_by is None:
            self._broken_by = error
            self.stop(str(error))

    def _stop_at_too_many_failures(self) -> None:
        failed = self._backlog.progress().failed
        if self._max_failures is not None and failed >= self._max_failures:
            self.stop(f"{failed} failed trials (the limit is {self._max_failures})", interrupted=False)


def trial_settings(work: OpenRun, device: str) -> TrialSettings:
    """What all trials of the run have in common on `device`."""
    return TrialSettings(
        run_directory=str(work.run.path),
        data_directory=work.settings.data_directory,
        device=device,
        checkpoint_interval=work.plan.checkpoint_interval,
        keep=work.plan.keep,
        time_limit=work.plan.resources.time_limit,
    )


def _judge(trial: Trial, outcome: Outcome, error: str) -> None:
    """Have the trial's next process only report how the attempt ended."""
    trial.config["verdict"] = (outcome, error)
