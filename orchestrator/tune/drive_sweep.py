"""Drive a run's work on the Ray that this process is connected to: the same on a laptop and in a Slurm head job."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Callable
from contextlib import suppress

from fdt_core.errors import EnvironmentProblem
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.open_run import OpenRun
from orchestrator.status.console import Console
from orchestrator.status.status_writer import StatusWriter
from orchestrator.tune.compute import Compute
from orchestrator.tune.driver import Driver
from orchestrator.tune.measure_networks import measure_networks
from orchestrator.tune.process_deaths import Losses
from orchestrator.tune.stop_signals import StopSignals


def drive_sweep(work: OpenRun, compute: Compute, signals: StopSignals, *, losses: Losses | None = None) -> int:
    """Run the work to its end, or until one of the `signals` or the failure limit stops it; returns the exit code.

    `losses` judges lost nodes and dead processes, by default from what Ray reports. Raises
    EnvironmentProblem if the run directory cannot be written.
    """
    with Console() as console:
        for damaged in work.quarantined:
            console.say(f"damaged results moved to {damaged}; the trials in them are run again")
        status = StatusWriter(
            status_file=work.run.status_file,
            running_file=work.run.running_file,
            driver=DriverPlace(pid=os.getpid(), host=socket.gethostname(), generation=work.lease.number),
            beat=work.lease.beat,
            say=console.say,
            show=console.show,
        )
        driver = Driver(work, compute, status, stop_request=lambda: signals.reason, losses=losses)
        try:
            driver.run()
            status.write(work.backlog.progress())
            console.show(work.backlog.progress(), [])
            if work.settings.profile and driver.stop_reason is None:
                must_stop = _watched(driver, work, status)
                measure_networks(work, compute, driver.device_names, say=console.say, must_stop=must_stop)
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot write to {work.run.path}: {error.strerror or error}; the rows and checkpoints written so far "
                "are complete: fix this and launch again"
            ) from error
        finally:
            with suppress(OSError):  # on a full disk, these two can wait
                status.write(work.backlog.progress(), state="ended" if driver.stop_reason is None else "stopped")
                work.lease.release()
        console.say(summary(work))
    return work.exit_code(interrupted=driver.interrupted)


def _watched(driver: Driver, work: OpenRun, status: StatusWriter) -> Callable[[], bool]:
    """Whether the driver must stop; each call also shows observers that it is alive."""

    def must_stop() -> bool:
        status.tick(work.backlog.progress())
        return driver.must_stop()

    return must_stop


def summary(work: OpenRun) -> str:
    """How the sweep stands, and what to do next."""
    progress = work.backlog.progress()
    held_back = f", {progress.held_back} held back (every seed of their model and template failed)"
    spared = f", {progress.spared} spared" if progress.spared else ""
    spared += f", {progress.stopped} stopped by tuning" if progress.stopped else ""
    counts = (
        f"{progress.done} done, {progress.diverged} diverged, {progress.failed} failed"
        f"{held_back if progress.held_back else ''}{spared}, {progress.left} left of {progress.total} trials"
    )
    after = (
        "the same launch continues from here"
        if progress.left
        else f"see: fdt-sweep results {shlex.quote(str(work.run.path))}"
    )
    return f"{counts}; {after}"
