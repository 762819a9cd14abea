"""A sweep's own jobs in Slurm's queue: which there are, and how they are cancelled so that nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from cluster.drain import raise_drain_flag
from cluster.slurm_commands import QueuedJob, cancel_jobs, queued_jobs
from cluster.slurm_files import Launch, SlurmFiles, read_launch
from fdt_core.errors import EnvironmentProblem

POLL_SECONDS = 1.0


def jobs_in_queue(launch: Launch) -> list[QueuedJob]:
    """This sweep's jobs that wait, run or are just ending. Raises EnvironmentProblem where squeue fails."""
    names = {launch.name_of("head"), launch.name_of("worker")}
    return [job for job in queued_jobs() if job.name in names]


def check_not_launched(files: SlurmFiles) -> None:
    """Raise EnvironmentProblem where the run's head is in the queue already, or Slurm does not answer."""
    queued = queued_jobs()
    if not files.launch.exists():
        return
    name = read_launch(files).name_of("head")
    for job in queued:
        if job.name == name:
            raise EnvironmentProblem(
                f"this sweep is already launched: its head is job {job.job_id} ({job.state.lower()})"
            )


def job_is_live(job_id: str) -> bool | None:
    """Whether a job still waits or runs; None where Slurm cannot be asked."""
    try:
        return any(job_id in (job.job_id, job.slurm_job_id) for job in queued_jobs())
    except EnvironmentProblem:
        return None


def cancel_waiting_workers(launch: Launch) -> None:
    """Take the workers that have not started out of the queue."""
    name = launch.name_of("worker")
    cancel_jobs([job.job_id for job in jobs_in_queue(launch) if job.name == name and job.state == "PENDING"])


def cancel_sweep(
    files: SlurmFiles, *, patience: float | None = None, say: Callable[[str], None] = lambda _line: None
) -> list[str]:
    """Ask all jobs by file to save and leave, wait for `patience` seconds, and scancel those that have not.

    Args:
        files: the run's Slurm files.
        patience: None = what the profile gives workers to save, and some seconds more.
        say: told what happens, a line at a time.

    Returns:
        The jobs that were in the queue. Without Slurm on this machine (EnvironmentProblem) the request by file stands.
    """
    launch = read_launch(files)
    raise_drain_flag(files.cancel, time.time())
    found = jobs_in_queue(launch)
    if not found:
        return []
    say(f"asked {len(found)} jobs to save and leave: {', '.join(job.job_id for job in found)}")
    cancel_jobs([job.job_id for job in found if job.state == "PENDING"])
    if patience is None:
        patience = launch.profiles[0].notice_seconds + 30.0
    left = _await_empty_queue(launch, patience)
    if left:
        say(f"cancelling {', '.join(job.job_id for job in left)}, which did not leave within {patience:.0f} s")
        cancel_jobs([job.job_id for job in left])
        left = _await_empty_queue(launch, patience)
    if left:
        raise EnvironmentProblem(
            f"still in the queue: {', '.join(job.job_id for job in left)}; look at them with squeue"
        )
    return [job.job_id for job in found]


def _await_empty_queue(launch: Launch, patience: float) -> list[QueuedJob]:
    """The sweep's jobs that are still there when none is left or `patience` is over."""
    deadline = time.monotonic() + patience
    while (left := jobs_in_queue(launch)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left
