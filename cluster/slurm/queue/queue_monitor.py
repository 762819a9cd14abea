"""A launched sweep in Slurm's queue, polled rarely: why its jobs wait, and whether its head will ever start."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.queue import slurm_commands
from cluster.slurm.queue.slurm_commands import QueuedJob, SlurmCommands
from cluster.slurm.queue.sweep_jobs import jobs_in_queue
from cluster.slurm.queue.waiting_reasons import remedy
from cluster.slurm.records import HeadState, Role, SlurmLaunch
from fdt_core.errors import EnvironmentProblem

ASK_SECONDS = 30.0
"""Between two questions to Slurm, however often `jobs` is called."""
ANSWER_SECONDS = 10.0
"""How long an answer is awaited: showing a sweep must not take long when the controller is down."""
LOOKS = 2
"""The head must be missing at this many consecutive looks: files written by another machine may appear late."""
LAST_LINES = 5


class QueueMonitor:
    """The jobs of one launch. Nothing is known of them on a machine without Slurm, or for other users' runs."""

    def __init__(
        self,
        files: SlurmFiles,
        *,
        slurm: SlurmCommands = slurm_commands,
        clock: Callable[[], float] = time.monotonic,
        user: Callable[[], int] = os.getuid,
    ) -> None:
        self._files = files
        self._slurm = slurm
        self._clock = clock
        self._user = user
        self._asked_at = float("-inf")
        self._jobs: list[QueuedJob] | None = None
        self._missing = 0

    def jobs(self) -> list[QueuedJob] | None:
        """The jobs that wait, run or are just ending, as of the last question; None if that is not known."""
        if self._clock() - self._asked_at >= ASK_SECONDS:
            self._asked_at = self._clock()
            self._jobs = self._ask()
            if self._jobs is not None:
                self._missing = self._missing + 1 if head_trouble(self._files, self._jobs) else 0
        return self._jobs

    def verdict(self) -> str | None:
        """Why the sweep will not continue by itself; None while that is not certain."""
        return head_trouble(self._files, self._jobs or []) if self._missing >= LOOKS else None

    def _ask(self) -> list[QueuedJob] | None:
        try:
            if self._files.directory.stat().st_uid != self._user():
                return None
            return jobs_in_queue(read_launch(self._files), patience=ANSWER_SECONDS, slurm=self._slurm)
        except (EnvironmentProblem, OSError):
            return None


def head_trouble(files: SlurmFiles, jobs: Sequence[QueuedJob]) -> str | None:
    """Why the head of the last launch will not start, given the sweep's jobs in the queue; None if it may.

    If its job has ended, its log is quoted: a job that ends before Python starts writes no record.
    """
    head, submitted = files.read_head(), [job for job in files.read_jobs() if job.role == Role.HEAD]
    if head is None or head.state == HeadState.CLOSED or not submitted:
        return None
    if head.state == HeadState.EXPECTED and submitted[-1].submitted_at < head.written_at:
        return None  # a launch is about to submit it
    launch = read_launch(files)
    found = [job for job in jobs if job.name == launch.name_of(Role.HEAD)]
    if not found:
        last = submitted[-1].job_id
        return f"the head's job {last} has left Slurm's queue without a word; {_last_words(files, last)}"
    return next(waiting_lines(launch, found)) if all(job.will_not_start for job in found) else None


def waiting_lines(launch: SlurmLaunch, jobs: Sequence[QueuedJob]) -> Iterator[str]:
    """Which of the sweep's jobs wait, and why, one line per reason; with the remedy, if waiting alone does not help."""
    waiting: dict[tuple[Role, str, bool], list[str]] = {}
    for job in jobs:
        if job.state == "PENDING":
            role = Role.HEAD if job.name == launch.name_of(Role.HEAD) else Role.WORKER
            waiting.setdefault((role, job.reason, job.will_not_start), []).append(job.job_id)
    for (role, reason, stuck), ids in waiting.items():
        todo = remedy(reason, " ".join(ids))
        why = f"{reason}{': ' if todo else ''}{todo}" if reason not in ("", "None") else "Slurm has given no reason yet"
        yield f"{role} {', '.join(ids)} {'will not start' if stuck else 'waits'}: {why}"


def _last_words(files: SlurmFiles, job_id: str) -> str:
    """The end of a job's output, each line on a separate line."""
    output, lines = files.output(job_id), files.last_lines(job_id, LAST_LINES)
    return "\n  ".join([f"the last lines of {output}:", *lines]) if lines else f"it left no output in {output}"
