"""Drivers without Ray: their events are called as Tune would call them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fdt_core.trial.history import TrainingResult
from lab.engine import open_dataless_run, small_plan
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.open_run import OpenRun
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import FINISHED, Outcome
from orchestrator.trial.report import ProcessLocation, ProcessReport, TrialReport
from orchestrator.tune.compute import Compute
from orchestrator.tune.driver import Driver
from orchestrator.tune.process_deaths import Deaths, FailedStarts, Losses

PLACE = ProcessLocation(hostname="here", pid=1, node_id="n")


@dataclass
class Surroundings:
    """What a driver sees and whom it notifies, changed by tests."""

    directory: Path
    own_node_is_lost: bool = False
    stop_request: str | None = None
    now: float = 0.0
    lines: list[str] = field(default_factory=list)
    failed_devices: list[str] = field(default_factory=list)

    def open_run(
        self,
        trials: int = 2,
        *,
        max_failures: int | None = None,
        time_limit: float | None = None,
        models: str = "[vgg11]",
    ) -> OpenRun:
        """A run of `trials` seeds of one model, of which nothing is done."""
        run = RunDirectory(self.directory / "run")
        run.create()
        work = open_dataless_run(run, small_plan(self.directory, trials, models), self.directory)
        resources = dataclasses.replace(work.plan.resources, time_limit=time_limit)
        return dataclasses.replace(
            work,
            plan=dataclasses.replace(work.plan, resources=resources),
            settings=dataclasses.replace(work.settings, max_failures=max_failures, profile=False),
        )

    def compute(self) -> Compute:
        return Compute(
            slots=TrialSlots(cpus=1, gpus=0.5, whole_gpus=1, slots=2),
            device="cpu",
            drain_flag=self.directory / "drain",
            scratch=self.directory,
            departing={"departing"},
            on_device_failure=lambda location: self.failed_devices.append(location.hostname),
        )

    def losses(self, work: OpenRun) -> Losses:
        return Losses(
            own_node_is_lost=lambda: self.own_node_is_lost,
            deaths=Deaths(work.run.checkpoints, {"departing"}, lost=frozenset),
            failed_starts=FailedStarts(lost=frozenset, clock=lambda: self.now),
        )

    def driver(self, work: OpenRun) -> Driver:
        status = StatusWriter(
            status_file=work.run.status_file,
            running_file=work.run.running_file,
            driver=DriverPlace(pid=0, host="", generation=0),
            say=self.lines.append,
        )
        return Driver(
            work,
            self.compute(),
            status,
            stop_request=lambda: self.stop_request,
            losses=self.losses(work),
            clock=lambda: self.now,
        )


@dataclass
class FakeActor:
    """What a driver sees of a process: the orders that it is given."""

    given: list[TrialOrder] = field(default_factory=list)

    @property
    def give(self) -> FakeActor:
        return self

    def remote(self, orders: Sequence[TrialOrder]) -> None:
        self.given.extend(orders)


@dataclass
class FakeProcess:
    """A process of a driver's round, which a test has report or die."""

    driver: Driver
    name: str = "p0"
    node: str = "n"
    host: str = "here"
    actor: FakeActor = field(default_factory=FakeActor)

    @property
    def orders(self) -> list[TrialOrder]:
        """All that it was ever given."""
        return self.actor.given

    @property
    def order(self) -> TrialOrder:
        """The newest order."""
        return self.orders[-1]

    @property
    def place(self) -> ProcessLocation:
        return ProcessLocation(hostname=self.host, pid=1, node_id=self.node)

    def start(self) -> FakeProcess:
        """It is asked for, starts, and reports where it is."""
        assert self.driver.ask_for_process(self.name)
        return self.restart()

    def restart(self) -> FakeProcess:
        """It is started (again), and reports where it is."""
        self.driver.on_report(self.name, ProcessReport(place=self.place, actor=self.actor))
        return self

    def report(self, *trials: TrialReport, seconds: float = 1.0, leaves: bool = False) -> bool:
        """It has worked on these trials, each for so many `seconds`; returns whether it goes on."""
        durations = {trial.trial_id: seconds for trial in trials if trial.outcome is not None}
        return self.driver.on_report(
            self.name, ProcessReport(place=self.place, trials=trials, durations=durations, leaves=leaves)
        )

    def end(self, outcome: Outcome, error: str | None = None, *, leaves: bool = False) -> bool:
        """Its newest trial has ended; returns whether it goes on."""
        return self.report(report(self.order, outcome, error, self.place), leaves=leaves)

    def die(self) -> None:
        self.driver.on_death(self.name, None)


def report(
    order: TrialOrder,
    outcome: Outcome | None = None,
    error: str | None = None,
    place: ProcessLocation = PLACE,
    *,
    train_seconds: float = 0.0,
) -> TrialReport:
    """A report from a process at this place."""
    result = None
    if outcome in FINISHED:
        result = TrainingResult(
            status="done" if outcome == Outcome.DONE else "diverged",
            history=(),
            peak_memory_mb=1.0,
            train_seconds=train_seconds,
            device_name="none",
            devices=("none",),
            interruptions=0,
            started_at=datetime.now(UTC),
        )
    return TrialReport(
        trial_id=order.trial_id, attempt=order.attempt, place=place, outcome=outcome, error=error, result=result
    )
