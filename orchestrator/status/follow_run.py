"""Following a run on Slurm until it ends."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from cluster.slurm.files import SlurmFiles
from cluster.slurm.queue.queue_monitor import QueueMonitor
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.records import WorkerState
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.run_status import RunStatus, run_status
from orchestrator.status.slurm_status import SlurmStatus

_POLL_SECONDS = 2.0
_SILENT_TOO_LONG = 300.0
"""Seconds of silence from the driver after which following ends; the sweep itself is not touched."""


class Queue(Protocol):
    """What is known about the run's jobs from Slurm's queue; see `QueueMonitor`."""

    def jobs(self) -> Sequence[QueuedJob] | None:
        """The run's jobs in the queue; None if not known."""

    def verdict(self) -> str | None:
        """Why the sweep will not continue by itself; None if it may."""


def follow_run(
    run: RunDirectory,
    say: Callable[[str], None],
    *,
    queue: Queue | None = None,
    look: Callable[[RunDirectory, Sequence[QueuedJob] | None], RunStatus] = run_status,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Report on a launched run until it ends or its head is lost; return the exit status of its driver.

    Raises EnvironmentProblem if the record of its head is gone.
    """
    queue = queue or QueueMonitor(SlurmFiles(run.slurm))
    reported = ""
    while True:
        now = look(run, queue.jobs())
        slurm = now.slurm
        if slurm is None:
            raise EnvironmentProblem(f"{run.slurm} no longer holds the record of the head: was it removed?")
        if (line := _line(now, slurm)) != reported:
            say(f"{time.strftime('%H:%M:%S')} {line}")
            reported = line
        if slurm.is_over:
            status = slurm.head.status
            say(f"ended: {slurm.head.why}" + ("" if status is None else f", exit status {status}"))
            return ExitCode.PROBLEM if status is None else status
        if (now.silent_seconds or 0) > _SILENT_TOO_LONG:
            path = shlex.quote(str(run.path))
            say(f"the driver has been silent for {now.silent_seconds:.0f} s; see: fdt-sweep status {path}")
            return ExitCode.PROBLEM
        if slurm.head_trouble and (why := queue.verdict()):
            say(f"{why}\nlaunch again to continue, or: fdt-sweep cancel {shlex.quote(str(run.path))}")
            return ExitCode.PROBLEM
        sleep(_POLL_SECONDS)


def _line(status: RunStatus, slurm: SlurmStatus) -> str:
    progress = status.progress
    workers = Counter(worker.state for worker in slurm.workers if worker.state is not WorkerState.ENDED)
    states = ", ".join(f"{count} {state}" for state, count in sorted(workers.items())) or "none yet"
    ended, running = progress.total - progress.left, len(status.running) + status.more_running
    return (
        f"head {slurm.head.state}; workers: {states}; "
        f"{ended}/{progress.total} trials ended, {progress.failed} failed, {running} running"
        + "".join(f"; {line}" for line in slurm.waiting)
    )
