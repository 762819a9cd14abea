"""The timeline of a drain: what must be done by when, from the notice to the end of a job.

A drain starts when a job's end is near (`drain_seconds` of the profile), when Slurm sends a signal (`notice_seconds`
are left), or when a user cancels the sweep. Each deadline leaves time for what comes after it:

                      notice          T-10        T          S        E
    trial             |-- its epoch --|-- saves --|
    worker job        |-- waits for its trials ---|-- ends Ray -------|
    driver            |-- starts no trial, records reports --|
    head job          |-- waits for the driver --------------|-- (1) -|

    E  the job's end: its walltime, or `notice_seconds` after a signal. Slurm kills what is left then.
    S  the driver has ended: min(10 s, a third of what is left) before the head job's end.
    T  the trials have ended: min(5 s, a quarter of what is left) before the worker job's end, and no later than S.
       They keep 10 s for saving, and abandon an epoch that would not leave these.
    (1) kill the driver if it is still there, submit a successor, wait for the workers to leave.

Every job has its own E. The head job publishes S in a file (`SlurmFiles.drain`), and all workers read it. All deadlines
are moments in seconds since the epoch. They are computed again as the end comes nearer, and the earliest one stands. As
the margins shrink with the time that is left, a deadline computed later is never earlier, unless the end itself is.

After `fdt-sweep cancel` each job counts from the moment when it sees the request, N = `notice_seconds`:

    N-5    the trials have ended (3/4 N if N is below 20 s)
    N      the worker jobs have ended
    N+10   the driver has ended
    N+20   the head job's end
    N+30   what is still there is cancelled with scancel

On one machine there is no job: the driver gives trials 60 s and waits 30 s longer for their processes.
"""

from __future__ import annotations

SAVING_SECONDS = 10.0
"""What a trial keeps for saving its state before it must have ended."""

SAVER_POLL_SECONDS = 0.2
"""How often a trial between two steps looks whether its node drains."""

TRIAL_MARGIN_SECONDS = 5.0
"""Between the end of the trials and the end of their worker job, given enough notice."""

HEAD_MARGIN_SECONDS = 10.0
"""Between the end of the driver and the end of the head job, given enough notice: time to clean up and hand over."""

LEAVE_SECONDS = 10.0
"""How long workers have to leave once the sweep is over."""

WORKER_BESIDE_SECONDS = 60.0
"""How long the head job waits for the worker in its own job, given enough time."""

CANCEL_MARGIN_SECONDS = 30.0
"""How long `fdt-sweep cancel` gives the jobs for an orderly end, beyond `notice_seconds`."""

LOCAL_DRAIN_SECONDS = 60.0
"""How long trials on one machine have after a request to stop: epochs that end within it are finished."""

DRIVER_PATIENCE_SECONDS = 30.0
"""How long after the trials' deadline the driver still waits for their processes."""

EARLY_SIGNAL_SECONDS = 75.0
"""Slurm sends the signal of `--signal` up to a minute before it is due (sbatch's manual)."""


def drain_is_due(job_end: float, drain_seconds: float, now: float) -> bool:
    """Whether the job must drain by the clock alone."""
    return now >= job_end - drain_seconds


def announces_walltime(job_end: float, drain_seconds: float, now: float) -> bool:
    """Whether a signal of Slurm at this moment may be the one that announces the walltime, which is known anyway."""
    return now >= job_end - drain_seconds - EARLY_SIGNAL_SECONDS


def cancelled_worker_end(notice_seconds: float, now: float) -> float:
    """When a worker job that sees now that the sweep is cancelled must have ended."""
    return now + notice_seconds


def cancelled_head_end(notice_seconds: float, now: float) -> float:
    """When the head job that sees now that the sweep is cancelled must have ended: after the workers."""
    return now + notice_seconds + 2 * HEAD_MARGIN_SECONDS


def cancel_patience(notice_seconds: float) -> float:
    """How many seconds `fdt-sweep cancel` waits before it cancels what is left with scancel."""
    return notice_seconds + CANCEL_MARGIN_SECONDS


def trials_end_by(job_end: float, driver_end: float | None, now: float) -> float:
    """When the trials of a worker job must have ended (T); `driver_end` is S, None if it is not to stop."""
    own = job_end - min(TRIAL_MARGIN_SECONDS, (job_end - now) / 4)
    return own if driver_end is None else min(own, driver_end)


def must_save_now(trials_end: float, epoch_end: float) -> bool:
    """Whether a trial must abandon the epoch that would end at `epoch_end`, to save in time."""
    return epoch_end + SAVING_SECONDS > trials_end


def driver_ends_by(job_end: float, now: float) -> float:
    """When the driver must have ended (S)."""
    return job_end - min(HEAD_MARGIN_SECONDS, (job_end - now) / 3)


def driver_kill_patience(job_end: float, now: float) -> float:
    """How many seconds a driver that must have ended has between SIGTERM and SIGKILL."""
    return min(max(job_end - now, 0.0), HEAD_MARGIN_SECONDS) / 2


def is_too_late_for_successor(job_end: float, now: float) -> bool:
    """Whether the head job must give up trying to submit its successor."""
    return now > job_end - HEAD_MARGIN_SECONDS


def workers_patience(job_end: float, now: float) -> float:
    """How many seconds the head job waits for workers to leave once the sweep is over."""
    return min(LEAVE_SECONDS, max(job_end - HEAD_MARGIN_SECONDS - now, 0.0))


def worker_beside_patience(job_end: float, now: float) -> float:
    """How many seconds the head job waits for the worker in its own job before it terminates it."""
    return max(min(job_end - HEAD_MARGIN_SECONDS - now, WORKER_BESIDE_SECONDS), 0.0)


WORKER_BESIDE_KILL_SECONDS = HEAD_MARGIN_SECONDS / 2
"""How long the worker in the head's job then has between SIGTERM and SIGKILL."""


def local_drain_deadline(now: float) -> float:
    """When the trials of a driver that is asked to stop now must have ended, unless a job has set a deadline."""
    return now + LOCAL_DRAIN_SECONDS


def driver_patience(trials_end: float, now: float) -> float:
    """How many seconds the driver waits for the processes of its trials."""
    return trials_end - now + DRIVER_PATIENCE_SECONDS
