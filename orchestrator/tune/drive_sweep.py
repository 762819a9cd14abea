"""Drive a run's work on the Ray that this process is connected to: the same on a laptop and in a Slurm head job."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fdt_core.errors import EnvironmentProblem
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.backlog import Progress
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.open_run import OpenRun
from orchestrator.status.console import Console
from orchestrator.status.status_writer import StatusWriter
from orchestrator.trial.report import ProcessLocation
from orchestrator.tune.driver import Driver, OrderTemplate
from orchestrator.tune.measure_networks import measure_shapes
from orchestrator.tune.stop_signals import StopSignals


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Where trials run, as the driver sees it: told how far the sweep is, and asked which nodes are about to go."""

    tell_progress: Callable[[Progress], None] = lambda _progress: None
    """Called several times a second."""
    tell_device_failure: Callable[[ProcessLocation], None] = lambda _place: None
    """Called with the place of a process whose device has failed."""
    leaving: Container[str] = frozenset()
    """Ids of Ray nodes: deaths of processes there count against no trial."""


def drive(
    work: OpenRun,
    *,
    needs: TrialSlots,
    device: str,
    drain_flag: Path,
    scratch: Path,
    signals: StopSignals,
    nodes: Nodes | None = None,
) -> int:
    """Run the work to its end, or until one of the `signals` or the failure limit stops it; returns the exit code.

    Raising `drain_flag` must tell all nodes to drain; `scratch` is a private directory on this machine's own disk.
    """
    with Console() as console:
        for damaged in work.quarantined:
            console.say(f"damaged results moved to {damaged}; the trials they held are run again")
        watch = StatusWriter(
            status_file=work.run.status_file,
            driver=DriverPlace(pid=os.getpid(), host=socket.gethostname(), generation=work.lease.number),
            beat=work.lease.beat,
            say=console.say,
            show=console.show,
        )
        driver = _driver(work, needs, device, drain_flag, scratch, signals, watch, nodes or Nodes())
        try:
            driver.run()
            watch.write(work.backlog.progress())
            console.show(work.backlog.progress(), [])
            if work.settings.profile and driver.stop_reason is None:
                measure_shapes(work, needs, device, say=console.say, must_stop=_told_to_stop(driver, work, watch))
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot write to {work.run.path}: {error.strerror or error}; rows and checkpoints written so far are "
                "whole: mend this and launch again"
            ) from error
        finally:
            with suppress(OSError):  # on a full disk, these two can wait
                watch.write(work.backlog.progress(), state="ended" if driver.stop_reason is None else "stopped")
                work.lease.release()
        console.say(_summary(work))
    return work.exit_code(interrupted=driver.interrupted)


def _told_to_stop(driver: Driver, work: OpenRun, watch: StatusWriter) -> Callable[[], bool]:
    """Whether the driver was told to stop; observers see at each question that it lives."""

    def asked() -> bool:
        watch.tick(work.backlog.progress())
        return driver.must_stop()

    return asked


def _summary(work: OpenRun) -> str:
    """How the sweep stands, and what to do next."""
    progress = work.backlog.progress()
    held_back = f", {progress.held_back} held back (every seed of their model and template failed)"
    counts = (
        f"{progress.done} done, {progress.diverged} diverged, {progress.failed} failed"
        f"{held_back if progress.held_back else ''}, {progress.left} left of {progress.total} trials"
    )
    after = (
        "the same launch goes on from here"
        if progress.left
        else f"see: fdt-sweep results {shlex.quote(str(work.run.path))}"
    )
    return f"{counts}; {after}"


def _driver(
    work: OpenRun,
    needs: TrialSlots,
    device: str,
    drain_flag: Path,
    scratch: Path,
    signals: StopSignals,
    watch: StatusWriter,
    nodes: Nodes,
) -> Driver:
    template = OrderTemplate(
        run_directory=str(work.run.path),
        data_directory=work.settings.data_directory,
        device=device,
        checkpoint_interval=work.plan.checkpoint_interval,
        keep=work.plan.keep,
        time_limit=work.plan.resources.time_limit,
    )
    return Driver(
        work.run,
        work.backlog,
        work.recorder,
        template=template,
        needs=needs,
        drain_flag=drain_flag,
        scratch=scratch,
        watch=watch,
        asked_to_stop=lambda: signals.reason,
        max_failures=work.settings.max_failures,
        leaving=nodes.leaving,
        tell_progress=nodes.tell_progress,
        tell_device_failure=nodes.tell_device_failure,
    )
