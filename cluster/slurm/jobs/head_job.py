"""The head's job: runs the driver, and sees to it that the job ends in order.

The driver is a process of its own, started from the command that the launch noted; it opens Ray's head (`open_head`).
This process watches over it, the clock, the signals, and the request to cancel.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
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
from cluster.profile.slurm_units import parse_time_limit
from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.jobs.job_context import JobContext, JobEnd, current_job, job_end
from cluster.slurm.jobs.open_head import publish_head
from cluster.slurm.queue.sweep_jobs import jobs_in_queue, see_workers_off
from cluster.slurm.records import HeadState, SlurmLaunch
from cluster.slurm.submission.submit import submit_jobs
from fdt_core.errors import EnvironmentProblem, FdtError
from fdt_core.exit_codes import ExitCode

POLL_SECONDS = 1.0
DRIVERS = 3
"""So many drivers one after the other, where each was killed."""

KILLED = 128
"""Above it, an exit status tells the signal that ended the process."""


def run_head(slurm_directory: str) -> None:
    """The whole life of the head's job; exits with the driver's status."""
    files, job = SlurmFiles(Path(slurm_directory)), current_job()
    launch = read_launch(files)
    profile = launch.profiles[0]
    end = job_end(
        job,
        time_limit=parse_time_limit(profile.head.time or profile.time),
        drain_seconds=profile.drain_seconds,
        notice_seconds=profile.notice_seconds,
    )
    if differs := difference(launch.fingerprint, own_fingerprint()):
        print(differs, flush=True)
        publish_head(files, job.slurm_job_id, "closed", why=differs, status=ExitCode.PROBLEM)
        raise SystemExit(ExitCode.PROBLEM)
    for former in (files.drain, files.demand):  # of a former driver
        former.unlink(missing_ok=True)
    with end.listening():
        worker = _start_worker_beside(files, launch)
        status = _run_drivers(files, launch, end)
        state, why = _what_follows(files, launch, job, end, status)
        told = publish_head(files, job.slurm_job_id, state, why=why, status=status)
        if worker is not None:
            _await_worker_beside(worker, end)
        if told and state == "closed":
            with contextlib.suppress(EnvironmentProblem):  # they end by themselves as soon as they can
                see_workers_off(launch, patience=workers_patience(end.deadline, time.time()))
    raise SystemExit(status)


def _run_drivers(files: SlurmFiles, launch: SlurmLaunch, end: JobEnd) -> int:
    """Run the driver, and again where it was killed (by the kernel, for memory, say): workers join the new one."""
    for _ in range(DRIVERS):
        status = _run_driver(files, launch, end)
        killed = status > KILLED and status != ExitCode.STOPPED
        if not killed or end.is_near() or files.cancel.exists():
            break
        print(f"the driver was killed (signal {status - KILLED}); starting it again", flush=True)
    return status


def _run_driver(files: SlurmFiles, launch: SlurmLaunch, end: JobEnd) -> int:
    """Run the driver to its end; tell it to stop when the job's end is near or the sweep is cancelled."""
    driver = start_session(launch.head_command, environment=os.environ)
    pool: subprocess.Popen[bytes] | None = _start_pool(files)
    stop_by = float("inf")
    try:
        while driver.poll() is None and time.time() < stop_by:
            if end.is_near() or files.cancel.exists():
                stop_by = min(stop_by, _latest_stop(files, launch, end))  # an end may come nearer still
                raise_drain_flag(files.drain, stop_by)
                if pool is not None:
                    end_session(pool, patience=0)  # who leaves is not replaced any more
                    pool = None
                    driver.send_signal(signal.SIGTERM)
            if pool is not None and pool.poll() is not None:
                print(f"the pool's process ended by itself, exit status {pool.returncode}; starting it again")
                pool = _start_pool(files)
            time.sleep(POLL_SECONDS)
    finally:
        if pool is not None:
            end_session(pool, patience=0)
        end_session(driver, patience=driver_kill_patience(end.deadline, time.time()))
    return driver.returncode if driver.returncode >= 0 else 128 - driver.returncode


def _latest_stop(files: SlurmFiles, launch: SlurmLaunch, end: JobEnd) -> float:
    """By when the driver must have ended, as far as is known now (seconds since the epoch)."""
    now, last = time.time(), end.deadline
    if files.cancel.exists():
        last = min(last, cancelled_head_end(launch.profiles[0].notice_seconds, now))
    return driver_ends_by(last, now)


def _what_follows(
    files: SlurmFiles, launch: SlurmLaunch, job: JobContext, end: JobEnd, status: int
) -> tuple[HeadState, str]:
    """Whether another head comes: this very job, requeued, or at its walltime the successor that is submitted here."""
    interrupted = status == ExitCode.INTERRUPTED or status > KILLED
    if not interrupted or not end.is_near() or files.cancel.exists():
        return "closed", "the driver has ended"
    if not end.walltime_is_near():
        return "moving", "Slurm has told the head's job to end"
    return "moving", f"the head's time is over; {_ensure_successor(files, launch, job, end)}"


def _ensure_successor(files: SlurmFiles, launch: SlurmLaunch, job: JobContext, end: JobEnd) -> str:
    """Submit the next head unless it waits already, again and again while Slurm does not answer; says what came of it.

    Where it cannot be submitted, workers wait as long for the next `launch` as for any head.
    """
    while True:
        try:
            name = launch.name_of("head")
            others = [each for each in jobs_in_queue(launch) if each.name == name]
            there = [each.job_id for each in others if each.slurm_job_id != job.slurm_job_id]
            (successor,) = there[:1] or submit_head(files, launch, after=job.slurm_job_id)
        except FdtError as problem:
            if is_too_late_for_successor(end.deadline, time.time()):
                return f"it could not submit its successor: launch again ({problem})"
            time.sleep(POLL_SECONDS)
        else:
            return f"its successor is job {successor}"


def submit_head(files: SlurmFiles, launch: SlurmLaunch, *, after: str | None = None) -> list[str]:
    """Submit the head's job, to start once job `after` is over."""
    options = {"dependency": f"afterany:{after}"} if after else {}
    return submit_jobs(files, launch, "head", 0, run_head, count=1, options=options)


def _start_pool(files: SlurmFiles) -> subprocess.Popen[bytes]:
    command = python_command("cluster.slurm.jobs.pool", str(files.directory))
    return start_session(command, environment=os.environ)


def _start_worker_beside(files: SlurmFiles, launch: SlurmLaunch) -> subprocess.Popen[bytes] | None:
    """Where only GPU partitions exist, the head's job is the first worker too."""
    if launch.profiles[0].head.placement == "own_job":
        return None
    command = python_command("cluster.slurm.jobs.worker_job", str(files.directory), launch.profiles[0].name)
    return start_session(command, environment=os.environ)


def _await_worker_beside(worker: subprocess.Popen[bytes], end: JobEnd) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(worker_beside_patience(end.deadline, time.time()))
    end_session(worker, patience=WORKER_BESIDE_KILL_SECONDS)
