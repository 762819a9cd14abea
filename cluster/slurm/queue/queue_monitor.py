"""A launched sweep as Slurm's queue shows it, asked rarely: why its jobs wait, and whether its head will ever come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.queue.sweep_jobs import jobs_in_queue
from cluster.slurm.queue.waiting_reasons import cure
from cluster.slurm.records import SlurmLaunch
from fdt_core.errors import EnvironmentProblem

ASK_SECONDS = 30.0
"""Between two questions to Slurm, however often `jobs` is called."""
ANSWER_SECONDS = 10.0
"""So long an answer is awaited: who looks at a sweep does not wait for a controller that is down."""
LOOKS = 2
"""The head must be missing at so many looks in a row: files of another machine may appear late."""
LAST_LINES = 5


class QueueMonitor:
    """The jobs of one launch. On a machine without Slurm, and for runs of other people, nothing is known of them."""

    def __init__(self, files: SlurmFiles, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._clock = clock
        self._asked_at = float("-inf")
        self._jobs: list[QueuedJob] | None = None
        self._missing = 0

    def jobs(self) -> list[QueuedJob] | None:
        """The jobs that wait, run or are just ending, as of the last question; None where that is not known."""
        if self._clock() - self._asked_at >= ASK_SECONDS:
            self._asked_at = self._clock()
            self._jobs = _ask(self._files)
            if self._jobs is not None:
                self._missing = self._missing + 1 if head_trouble(self._files, self._jobs) else 0
        return self._jobs

    def verdict(self) -> str | None:
        """Why the sweep will not go on by itself; None while that is not sure."""
        return head_trouble(self._files, self._jobs or []) if self._missing >= LOOKS else None


def head_trouble(files: SlurmFiles, jobs: Sequence[QueuedJob]) -> str | None:
    """Why the head of the last launch will not come, given the sweep's jobs in the queue; None where it may.

    Its log says why its job ended: before Python began, it could tell nobody.
    """
    head, submitted = files.read_head(), [job for job in files.read_jobs() if job.role == "head"]
    if head is None or head.state == "closed" or not submitted:
        return None
    if head.state == "expected" and submitted[-1].submitted_at < head.written_at:
        return None  # a launch is just submitting it
    launch = read_launch(files)
    found = [job for job in jobs if job.name == launch.name_of("head")]
    if not found:
        last = submitted[-1].job_id
        return f"the head's job {last} has left Slurm's queue without a word; {_last_words(files, last)}"
    return next(waiting_lines(launch, found)) if all(job.waits_for_good for job in found) else None


def waiting_lines(launch: SlurmLaunch, jobs: Sequence[QueuedJob]) -> Iterator[str]:
    """Which of the sweep's jobs wait, and why, a line for each reason; what to do where it does not pass by itself."""
    waiting: dict[tuple[str, str, bool], list[str]] = {}
    for job in jobs:
        if job.state == "PENDING":
            role = "head" if job.name == launch.name_of("head") else "worker"
            waiting.setdefault((role, job.reason, job.waits_for_good), []).append(job.job_id)
    for (role, reason, for_good), ids in waiting.items():
        todo = cure(reason, " ".join(ids))
        how = f"{reason}{': ' if todo else ''}{todo}" if reason not in ("", "None") else "Slurm has not said why yet"
        yield f"{role} {', '.join(ids)} {'will not start' if for_good else 'waits'}: {how}"


def _ask(files: SlurmFiles) -> list[QueuedJob] | None:
    try:
        if files.directory.stat().st_uid != os.getuid():
            return None
        return jobs_in_queue(read_launch(files), patience=ANSWER_SECONDS)
    except (EnvironmentProblem, OSError):
        return None


def _last_words(files: SlurmFiles, job_id: str) -> str:
    """The end of a job's output, on lines of its own."""
    output, lines = files.output(job_id), files.last_lines(job_id, LAST_LINES)
    return "\n  ".join([f"the last lines of {output}:", *lines]) if lines else f"it left no output in {output}"
