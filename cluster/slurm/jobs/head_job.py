"""The head's job: runs the driver, and makes sure that the job ends in an orderly way.

The driver is a separate process, started with the command that the launch recorded; it opens Ray's head (`open_head`).
This process watches the driver, the clock, the signals, and the request to cancel.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster.machine.drain import raise_drain_flag
from cluster.machine.drain_timeline import (
    WORKER_BESIDE_KILL_SECONDS,
    cancelled_head_end,
    driver_ends_by,
    driver_kill_patience,
    is_too_late_for_successor,
    worker_beside_patience,
    workers_patience,
)
from cluster.machine.fingerprint import difference, own_fingerprint
from cluster.machine.processes import end_session, python_command, start_session
from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.jobs.job_context import JobContext, JobEnd, current_job, job_end
from cluster.slurm.jobs.open_head import publish_head
from cluster.slurm.queue.sweep_jobs import end_workers, jobs_in_queue
from cluster.slurm.records import HeadState, Role, SlurmLaunch
from cluster.slurm.submission.submit import JobRequest, submit_jobs
from fdt_core.errors import EnvironmentProblem, FdtError
from fdt_core.exit_codes import ExitCode

POLL_SECONDS = 1.0
DRIVERS = 3
"""How many times the driver is started if it is killed each time."""

KILLED = 128
"""An exit status above this is this number plus the signal that ended the process."""

Start = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]
"""Starts a command as a session that dies with this process."""


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return start_session(command, environment=os.environ)


def run_head(slurm_directory: str, *, start: Start = _start, clock: Clock = SYSTEM_CLOCK) -> None:
    """The whole life of the head's job; exits with the driver's status."""
    files, job = SlurmFiles(Path(slurm_directory)), current_job()
    launch = read_launch(files)
    profile = launch.profiles[0]
    end = job_end(
        job,
        time_limit=profile.head_time_seconds,
        drain_seconds=profile.drain_seconds,
        notice_seconds=profile.notice_seconds,
        clock=clock,
    )
    if differs := difference(launch.fingerprint, own_fingerprint()):
        print(differs, flush=True)
        publish_head(files, job.slurm_job_id, HeadState.CLOSED, why=differs, status=ExitCode.PROBLEM)
        raise SystemExit(ExitCode.PROBLEM)
    for leftover in (files.drain, files.demand):  # of an earlier driver
        leftover.unlink(missing_ok=True)
    with end.listening():
        worker = _start_worker_beside(files, launch, start)
        status = _run_drivers(files, launch, end, start, clock)
        state, why = _what_follows(files, launch, job, end, status, clock)
        published = publish_head(files, job.slurm_job_id, state, why=why, status=status)
        if worker is not None:
            _await_worker_beside(worker, end, clock)
        if published and state == HeadState.CLOSED:
            with contextlib.suppress(EnvironmentProblem):  # the workers end by themselves as soon as they can
                end_workers(launch, patience=workers_patience(end.deadline, clock.now()), clock=clock)
    raise SystemExit(status)


def _run_drivers(files: SlurmFiles, launch: SlurmLaunch, end: JobEnd, start: Start, clock: Clock) -> int:
    """Run the driver, and again if it is killed (by the kernel for lack of memory, say): workers join the new one."""
    for _ in range(DRIVERS):
        status = _run_driver(files, launch, end, start, clock)
        killed = status > KILLED and status != ExitCode.STOPPED
        if not killed or end.is_near() or files.cancel.exists():
            break
        print(f"the driver was killed (signal {status - KILLED}); starting it again", flush=True)
    return status


def _run_driver(files: SlurmFiles, launch: SlurmLaunch, end: JobEnd, start: Start, clock: Clock) -> int:
    """Run the driver to its end; have it stop when the job's end is near or the sweep is cancelled."""
    driver = start(launch.head_command)
    pool: subprocess.Popen[bytes] | None = _start_pool(files, start)
    stop_by = float("inf")
    try:
        while driver.poll() is None and clock.now() < stop_by:
            if end.is_near() or files.cancel.exists():
                stop_by = min(stop_by, _latest_stop(files, launch, end, clock))  # a still earlier end may become known
                raise_drain_flag(files.drain, stop_by)
                if pool is not None:
                    end_session(pool, patience=0)  # workers that leave are no longer replaced
                    pool = None
                    driver.send_signal(signal.SIGTERM)
            if pool is not None and pool.poll() is not None:
                print(f"the pool's process ended by itself, exit status {pool.returncode}; starting it again")
                pool = _start_pool(files, start)
            clock.sleep(POLL_SECONDS)
    finally:
        if pool is not None:
            end_session(pool, patience=0)
        end_session(driver, patience=driver_kill_patience(end.deadline, clock.now()))
    return driver.returncode if driver.returncode >= 0 else KILLED - driver.returncode


def _latest_stop(files: SlurmFiles, launch: SlurmLaunch, end: JobEnd, clock: Clock) -> float:
    """By when the driver must have ended, as far as is known now (seconds since the epoch)."""
    now, last = clock.now(), end.deadline
    if files.cancel.exists():
        last = min(last, cancelled_head_end(launch.profiles[0].notice_seconds, now))
    return driver_ends_by(last, now)


def _what_follows(
    files: SlurmFiles, launch: SlurmLaunch, job: JobContext, end: JobEnd, status: int, clock: Clock
) -> tuple[HeadState, str]:
    """Whether another head comes: this job, requeued, or at its walltime a successor, which is submitted here."""
    interrupted = status == ExitCode.INTERRUPTED or status > KILLED
    if not interrupted or not end.is_near() or files.cancel.exists():
        return HeadState.CLOSED, "the driver has ended"
    if not end.walltime_is_near():
        return HeadState.MOVING, "Slurm is about to end the head's job"
    return HeadState.MOVING, f"the head's time is over; {_ensure_successor(files, launch, job, end, clock)}"


def _ensure_successor(files: SlurmFiles, launch: SlurmLaunch, job: JobContext, end: JobEnd, clock: Clock) -> str:
    """Submit the next head unless it is in the queue already; returns the outcome in words.

    Retries while Slurm does not answer. If it cannot be submitted, workers wait as long for the next `launch` as for
    any head.
    """
    while True:
        try:
            name = launch.name_of(Role.HEAD)
            others = [each for each in jobs_in_queue(launch) if each.name == name]
            there = [each.job_id for each in others if each.slurm_job_id != job.slurm_job_id]
            (successor,) = there[:1] or submit_head(files, launch, after=job.slurm_job_id)
        except FdtError as problem:
            if is_too_late_for_successor(end.deadline, clock.now()):
                return f"it could not submit its successor: launch again ({problem})"
            clock.sleep(POLL_SECONDS)
        else:
            return f"its successor is job {successor}"


def submit_head(files: SlurmFiles, launch: SlurmLaunch, *, after: str | None = None) -> list[str]:
    """Submit the head's job, to start once job `after` is over."""
    options = {"dependency": f"afterany:{after}"} if after else {}
    return submit_jobs(files, launch, JobRequest(role=Role.HEAD, function=run_head, options=options))


def _start_pool(files: SlurmFiles, start: Start) -> subprocess.Popen[bytes]:
    return start(python_command("cluster.slurm.jobs.pool", str(files.directory)))


def _start_worker_beside(files: SlurmFiles, launch: SlurmLaunch, start: Start) -> subprocess.Popen[bytes] | None:
    """Start a worker in the head's job, if the profile wants one there: some sites have GPU partitions only."""
    if launch.profiles[0].head.placement == "own_job":
        return None
    return start(python_command("cluster.slurm.jobs.worker_job", str(files.directory), launch.profiles[0].name))


def _await_worker_beside(worker: subprocess.Popen[bytes], end: JobEnd, clock: Clock) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(worker_beside_patience(end.deadline, clock.now()))
    end_session(worker, patience=WORKER_BESIDE_KILL_SECONDS)
