"""A sweep's own jobs in Slurm's queue: which there are, and how they are cancelled so that nothing is left."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Sequence

from cluster.machine.drain import raise_drain_flag
from cluster.machine.drain_timeline import cancel_patience
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.queue.slurm_commands import QueuedJob, cancel_jobs, queued_jobs
from cluster.slurm.records import SlurmLaunch
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode

POLL_SECONDS = 2.0
SQUEUE_SECONDS = 60.0
"""So long an answer of squeue is awaited."""


def jobs_in_queue(launch: SlurmLaunch, *, patience: float = SQUEUE_SECONDS) -> list[QueuedJob]:
    """This sweep's jobs that wait, run or are just ending.

    Raises EnvironmentProblem where squeue fails, or gives no answer within `patience` seconds.
    """
    names = {launch.name_of("head"), launch.name_of("worker")}
    return [job for job in queued_jobs(patience=patience) if job.name in names]


def check_not_launched(files: SlurmFiles) -> None:
    """Raise EnvironmentProblem where the run's head is in the queue already, or Slurm does not answer."""
    queued = queued_jobs()
    if not files.launch.exists():
        return
    name = read_launch(files).name_of("head")
    for job in queued:
        if job.name == name:
            state = f"{job.state.lower()}: {job.reason}" if job.waits_for_good else job.state.lower()
            todo = f"; it will not start by itself: fdt-sweep cancel {shlex.quote(str(files.directory.parent))}"
            raise EnvironmentProblem(
                f"this sweep is already launched: its head is job {job.job_id} ({state})"
                f"{todo if job.waits_for_good else ''}"
            )


def job_is_live(job_id: str) -> bool | None:
    """Whether a job still waits or runs; None where Slurm cannot be asked."""
    try:
        return any(job_id in (job.job_id, job.slurm_job_id) for job in queued_jobs())
    except EnvironmentProblem:
        return None


def see_workers_off(launch: SlurmLaunch, *, patience: float) -> None:
    """Take what waits out of the queue, and cancel the workers that have not left by themselves within `patience` s.

    These are on nodes that crashed or hang, and Slurm has not noticed. Raises EnvironmentProblem where it cannot be
    asked.
    """
    cancel_jobs([job.job_id for job in jobs_in_queue(launch) if job.state == "PENDING"])
    name, deadline = launch.name_of("worker"), time.monotonic() + patience
    while left := [job for job in jobs_in_queue(launch) if job.name == name and job.state != "COMPLETING"]:
        if time.monotonic() > deadline:
            cancel_jobs([job.job_id for job in left])
            return
        time.sleep(POLL_SECONDS)


def cancel_sweep(files: SlurmFiles, *, say: Callable[[str], None] = lambda _line: None) -> list[str]:
    """Ask all jobs by file to save and leave, wait as long as the profile gives them, and scancel those that have not.

    `say` is told what happens, a line at a time. Returns the jobs that were in the queue. Raises EnvironmentProblem
    where jobs stay in spite of scancel, or where Slurm cannot be asked; the request by file stands even then.
    """
    launch = read_launch(files)
    raise_drain_flag(files.cancel, time.time())
    try:
        found = jobs_in_queue(launch)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(
            f"running jobs are asked by file to save and leave, but waiting ones stay in the queue: {problem}"
        ) from problem
    if found:
        say(f"asked {len(found)} jobs to save and leave: {_ids(found)}")
        cancel_jobs([job.job_id for job in found if job.state == "PENDING"])
        _end_all(launch, cancel_patience(launch.profiles[0].notice_seconds), say)
    head = files.read_head()
    if head is not None and head.state != "closed":
        closed = dataclasses.replace(head, state="closed", why="cancelled", status=ExitCode.INTERRUPTED)
        write_record(files.head, closed)
    return [job.job_id for job in found]


def _end_all(launch: SlurmLaunch, patience: float, say: Callable[[str], None]) -> None:
    left = _await_empty_queue(launch, patience)
    if left:
        say(f"cancelling {_ids(left)}, which did not leave within {patience:.0f} s")
        cancel_jobs([job.job_id for job in left])
        left = _await_empty_queue(launch, patience)
    if left:
        raise EnvironmentProblem(f"still in the queue: {_ids(left)}; look at them with squeue")


def _ids(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(job.job_id for job in jobs)


def _await_empty_queue(launch: SlurmLaunch, patience: float) -> list[QueuedJob]:
    """The sweep's jobs that are still there when none is left or `patience` is over."""
    deadline = time.monotonic() + patience
    while (left := jobs_in_queue(launch)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left
