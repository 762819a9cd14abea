"""A sweep's jobs in Slurm's queue: which there are, and how to cancel them so that none is left."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence

from cluster.machine.drain import raise_drain_flag
from cluster.machine.drain_timeline import cancel_patience
from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.queue import slurm_commands
from cluster.slurm.queue.slurm_commands import ANSWER_SECONDS, QueuedJob, SlurmCommands
from cluster.slurm.records import HeadState, Role, SlurmLaunch
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode

POLL_SECONDS = 2.0


def jobs_in_queue(
    launch: SlurmLaunch, *, patience: float = ANSWER_SECONDS, slurm: SlurmCommands = slurm_commands
) -> list[QueuedJob]:
    """This sweep's jobs that wait, run or are just ending.

    Raises EnvironmentProblem if squeue fails, or does not answer within `patience` seconds.
    """
    names = {launch.name_of(role) for role in Role}
    return [job for job in slurm.queued_jobs(patience=patience) if job.name in names]


def check_not_launched(files: SlurmFiles, *, slurm: SlurmCommands = slurm_commands) -> None:
    """Raise EnvironmentProblem if the run's head is in the queue already, or Slurm does not answer."""
    queued = slurm.queued_jobs()
    if not files.launch.exists():
        return
    name = read_launch(files).name_of(Role.HEAD)
    for job in queued:
        if job.name == name:
            state = f"{job.state.lower()}: {job.reason}" if job.will_not_start else job.state.lower()
            todo = f"; it will not start by itself: fdt-sweep cancel {shlex.quote(str(files.directory.parent))}"
            raise EnvironmentProblem(
                f"this sweep is already launched: its head is job {job.job_id} ({state})"
                f"{todo if job.will_not_start else ''}"
            )


def job_is_live(job_id: str, *, slurm: SlurmCommands = slurm_commands) -> bool | None:
    """Whether a job still waits or runs; None if Slurm does not answer."""
    try:
        return any(job_id in (job.job_id, job.slurm_job_id) for job in slurm.queued_jobs())
    except EnvironmentProblem:
        return None


def end_workers(
    launch: SlurmLaunch, *, patience: float, slurm: SlurmCommands = slurm_commands, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Take waiting jobs out of the queue, and cancel workers that have not left within `patience` seconds.

    Those are on nodes that have crashed or hang without Slurm noticing. Raises EnvironmentProblem if Slurm does not
    answer.
    """
    slurm.cancel_jobs([job.job_id for job in jobs_in_queue(launch, slurm=slurm) if job.state == "PENDING"])
    name, deadline = launch.name_of(Role.WORKER), clock.monotonic() + patience
    while left := [job for job in jobs_in_queue(launch, slurm=slurm) if job.name == name and job.state != "COMPLETING"]:
        if clock.monotonic() > deadline:
            slurm.cancel_jobs([job.job_id for job in left])
            return
        clock.sleep(POLL_SECONDS)


def cancel_sweep(
    files: SlurmFiles,
    *,
    say: Callable[[str], None] = lambda _line: None,
    slurm: SlurmCommands = slurm_commands,
    clock: Clock = SYSTEM_CLOCK,
) -> list[str]:
    """Ask all jobs by file to save and leave, wait as long as the profile allows, and scancel those that have not left.

    `say` gets progress messages, one line each. Returns the jobs that were in the queue. Raises EnvironmentProblem if
    jobs survive scancel, or if Slurm does not answer; the request by file stands even then.
    """
    launch = read_launch(files)
    raise_drain_flag(files.cancel, clock.now())
    try:
        found = jobs_in_queue(launch, slurm=slurm)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(
            f"running jobs are asked by file to save and leave, but waiting ones stay in the queue: {problem}"
        ) from problem
    if found:
        say(f"asked {len(found)} jobs to save and leave: {_ids(found)}")
        slurm.cancel_jobs([job.job_id for job in found if job.state == "PENDING"])
        _end_all(launch, cancel_patience(launch.profiles[0].notice_seconds), say, slurm=slurm, clock=clock)
    head = files.read_head()
    if head is not None and head.state != HeadState.CLOSED:
        closed = dataclasses.replace(head, state=HeadState.CLOSED, why="cancelled", status=ExitCode.INTERRUPTED)
        write_record(files.head, closed)
    return [job.job_id for job in found]


def _end_all(
    launch: SlurmLaunch, patience: float, say: Callable[[str], None], *, slurm: SlurmCommands, clock: Clock
) -> None:
    left = _await_empty_queue(launch, patience, slurm=slurm, clock=clock)
    if left:
        say(f"cancelling {_ids(left)}, which did not leave within {patience:.0f} s")
        slurm.cancel_jobs([job.job_id for job in left])
        left = _await_empty_queue(launch, patience, slurm=slurm, clock=clock)
    if left:
        raise EnvironmentProblem(f"still in the queue: {_ids(left)}; look at them with squeue")


def _ids(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(job.job_id for job in jobs)


def _await_empty_queue(launch: SlurmLaunch, patience: float, *, slurm: SlurmCommands, clock: Clock) -> list[QueuedJob]:
    """Wait until no job of the sweep is left, up to `patience` seconds; returns the jobs that are still there."""
    deadline = clock.monotonic() + patience
    while (left := jobs_in_queue(launch, slurm=slurm)) and clock.monotonic() < deadline:
        clock.sleep(POLL_SECONDS)
    return left
