"""The driver: gives the backlog to the processes that Ray Tune runs, and has a row written whenever a trial ends.

Tune places processes where there is room, and starts them again when they die; to Tune, a process is a trial. What a
process trains is up to the driver. Everything that must survive is in the ledger and in the trials' checkpoints, so
Tune's own state is disposable. A launch is a loop of rounds: runs of Tune, each with the resources of its trials.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray import tune

from cluster.machine.drain import raise_drain_flag, read_drain_flag
from cluster.machine.drain_timeline import driver_patience, local_drain_deadline
from fdt_core.errors import EnvironmentProblem
from fdt_core.results.tuning import TUNED
from orchestrator.plan.cells import Cell
from orchestrator.run.open_run import OpenRun
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.report import ProcessReport
from orchestrator.tune.callbacks import DriverCallback, ProcessScheduler, StopWhen
from orchestrator.tune.compute import Compute
from orchestrator.tune.environment import quiet_tune
from orchestrator.tune.failed_start import explain_failed_start
from orchestrator.tune.process_deaths import Losses
from orchestrator.tune.processes import SPARE_PROCESSES, Processes, TrialProcess
from orchestrator.tune.searcher import ProcessSearcher
from orchestrator.tune.trainable import SessionFactory, sweep_trainable, training_session
from orchestrator.tune.trial_events import TrialEvents
from orchestrator.tune.trial_settings import trial_settings


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
        clock: seconds that never run backwards.

    Attributes:
        stop_reason: why the driver stopped before the backlog was empty; None if it did not.
        interrupted: whether it stopped for a reason other than the limit of failed trials.
        device_names: the model of the device of each node, by Ray's id, that a trial has named.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop_reason: str | None = None
        self.interrupted = False
        self.device_names: dict[str, str] = {}
        self._run = work.run
        self._backlog = work.backlog
        self._recorder = work.recorder
        self._max_failures = work.settings.max_failures
        self._trial_settings = trial_settings(work, compute)
        self._compute = compute
        self._drain_flag = compute.drain_flag
        self._status = status
        self._stop_request = stop_request
        self._clock = clock
        self._trainable = sweep_trainable(make_session)
        self._losses = losses or Losses.seen_by_ray(work.run.checkpoints, compute.departing)
        self.begin_round(whole_device=False)
        self._events = TrialEvents(
            work,
            status,
            self._losses.deaths,
            on_device_failure=compute.on_device_failure,
            on_environment=self.on_broken,
            clock=clock,
        )
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
            self._stop_by = self._clock() + driver_patience(deadline, time.time())
            self._status.stopping(reason)
            raise_drain_flag(self._drain_flag, deadline)

    def run(self) -> None:
        """Run rounds until nothing waits or `stop` was called.

        Raises what stopped the ledger from being written: OSError (a full disk), or Overtaken; EnvironmentProblem if
        trials cannot run at all, or if `on_progress` raises it.
        """
        while not self.must_stop():
            whole_device = self._backlog.peek(whole_device=False) is None
            if whole_device and self._backlog.peek(whole_device=True) is None:
                break
            self._round(whole_device)
        if self._broken_by is not None:
            raise self._broken_by
        self._recorder.tick(now=True)

    def _round(self, whole_device: bool) -> None:
        """One run of Ray Tune, over all trials that need the same resources."""
        needs = self._compute.slots
        gpus = needs.whole_gpus if whole_device else needs.gpus
        resources = tune.PlacementGroupFactory([{"CPU": needs.cpus, **({"GPU": gpus} if gpus else {})}])
        self.begin_round(whole_device=whole_device)
        most = self._processes.slots + SPARE_PROCESSES
        with tempfile.TemporaryDirectory(prefix="tune-", dir=self._compute.scratch) as scratch, quiet_tune(most):
            # Not tune.Tuner: it pickles callbacks and searcher, to restore a run that is never restored.
            tune.run(
                self._trainable,
                name="round",
                search_alg=ProcessSearcher(self.ask_for_process, self.may_stop),
                scheduler=ProcessScheduler(self.on_report),
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
        for trial_id in reversed(self._backlog.running()):  # each goes to the head: the first in the plan comes last
            self._events.put_back(trial_id)

    def begin_round(self, *, whole_device: bool) -> None:
        """From now on, trials run in new processes, with (or without) a device to themselves."""
        needs = self._compute.slots
        share = needs.gpu_share(whole_device=whole_device)
        slots = max(int(needs.slots * needs.gpus / needs.whole_gpus), 1) if whole_device and needs.gpus else needs.slots
        self._processes = Processes(
            self._backlog,
            lambda cell: self._order(cell, share),
            slots=slots,
            whole_device=whole_device,
            seconds_ahead=2 * self._trial_settings.first_report,
        )

    def _order(self, cell: Cell, gpu_share: float | None) -> TrialOrder:
        settings = self._trial_settings
        return TrialOrder(
            settings=dataclasses.replace(settings, keep="none") if cell.stage == TUNED else settings,
            trial_id=cell.trial_id,
            spec=cell.spec.to_json(),
            attempt=self._backlog.attempt(cell.trial_id),
            dataset_digest=self._recorder.dataset_digest(cell.spec.dataset),
            until=self._backlog.wanted.until(cell.trial_id),
            gpu_share=gpu_share,
        )

    def ask_for_process(self, name: str) -> bool:
        """Whether Tune is to start one more process, which it would know by this name."""
        wanted = not self.must_stop() and self._processes.wants_another()
        if wanted:
            self._processes.expect(name)
        return wanted

    def may_stop(self) -> bool:
        """Whether Tune may end its run: all is done, or a stop was requested and no trial is still saving.

        Nor does one that takes too long to save keep it.
        """
        if self._broken_by is not None:
            return True
        if self.stop_reason is None:
            return self._processes.are_done()
        return not self._processes.working or self._clock() > self._stop_by

    def on_report(self, name: str, report: ProcessReport) -> bool:
        """Record what a process has done and give it what comes next; returns whether it goes on."""
        goes_on = True
        with self._ends_run_if_broken():
            goes_on = self._on_report(name, report)
        return goes_on

    def _on_report(self, name: str, report: ProcessReport) -> bool:
        self._losses.failed_starts.end_series()
        process = self._processes.reported(name, report)
        had_orders = bool(process.orders)
        begun = {trial.trial_id for trial in report.trials}
        for trial_id in reversed([each for each in process.orders if each not in begun]):  # what comes first is last in
            self._processes.drop(name, trial_id)
            self._events.put_back(trial_id)
        for trial in report.trials:
            if trial.outcome is not None:
                self._processes.drop(name, trial.trial_id)
            self._events.reported(trial, report.durations.get(trial.trial_id))
            if trial.place.node_id and trial.place.device_name:
                self.device_names[trial.place.node_id] = trial.place.device_name
        self._stop_at_too_many_failures()
        if report.leaves:
            return True  # its next step is its exit
        if had_orders and not report.trials:
            self._status.say(f"a process on {report.place.hostname} did not get its orders; another takes its place")
        elif not self.must_stop():
            for cell in self._processes.hand_out(name)[:1]:
                self._status.started(cell)
        if not process.orders:
            self._processes.dismissed(name)
        return bool(process.orders)

    def on_death(self, name: str, error_file: str | None) -> None:
        """A process has died; Tune starts another in its place. What it worked on waits again."""
        with self._ends_run_if_broken():
            process = self._processes.died(name)
            if process is None:
                self._failed_start(error_file)
            else:
                self._lost_process(process)
            self._stop_at_too_many_failures()

    def on_gone(self, name: str) -> None:
        """Tune has given a process up, which happens when it starts one anew on another that is dead, too."""
        self._processes.is_gone(name)

    def _failed_start(self, error_file: str | None) -> None:
        """A process has died that had reported nothing: it had touched nothing of a trial, and its node is unknown."""
        self._status.say("a process died before it could take a trial, and is started again")
        if self._losses.failed_starts.add():
            why = explain_failed_start(error_file, self._compute.scratch, self._run.logs / "failed-start.log")
            self.on_broken(EnvironmentProblem(f"the processes of trials cannot start: {why}"))

    def _lost_process(self, process: TrialProcess) -> None:
        orders = list(process.orders.values())
        expired = {order.trial_id: self._events.exceeded_time_limit(order) for order in orders}
        alone = len(orders) == 1
        if not (alone or any(expired.values())):
            self._processes.keep_alone(process.orders)  # whose fault it was shows when each has a process to itself
        if len(orders) > 1:
            host = process.place.hostname
            self._status.say(f"a process on {host} died with {len(orders)} short trials: each of them runs again")
        for order in reversed(orders):
            if traceback := expired[order.trial_id]:
                self._events.timed_out(order, process.place, traceback)
            elif alone:
                self._events.died(order, process.place)
            else:
                self._events.put_back(order.trial_id)

    def on_tick(self) -> None:
        """Called by Tune several times a second."""
        with self._ends_run_if_broken():
            self._recorder.tick()
            progress = self._backlog.progress()
            self._status.tick(progress)
            self._compute.on_progress(progress)
            self.must_stop()
            if self._losses.own_node_is_lost():
                self.stop("the Ray node of the driver has died")
                self._processes.forget_working()  # no process is left to wait for

    def on_broken(self, error: BaseException) -> None:
        """End the run because handling an event failed; the trials save their state, and `run` raises `error`."""
        if self._broken_by is None:
            self._broken_by = error
            self.stop(str(error))

    @contextmanager
    def _ends_run_if_broken(self) -> Iterator[None]:
        """Tune would end the run with what is raised out of its events, as an error of its own."""
        try:
            yield
        except Exception as error:  # `run` raises it once Tune has ended
            self.on_broken(error)

    def _stop_at_too_many_failures(self) -> None:
        failed = self._backlog.progress().failed
        if self._max_failures is not None and failed >= self._max_failures:
            self.stop(f"{failed} failed trials (the limit is {self._max_failures})", interrupted=False)
