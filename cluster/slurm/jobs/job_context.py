"""What a job knows about itself: its ids, its node, and when it must be over."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from cluster.machine.drain_timeline import announces_walltime, drain_is_due
from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.queue.slurm_commands import seconds_left


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """The Slurm job that this process runs in."""

    job_id: str
    """As squeue shows it: ARRAY_TASK in job arrays."""
    slurm_job_id: str
    node: str
    host: str
    gpus: str
    restarts: int


def current_job() -> JobContext:
    """The job of this process, from the variables that Slurm sets (sbatch's manual, OUTPUT ENVIRONMENT VARIABLES)."""
    environment = os.environ
    array, own = environment.get("SLURM_ARRAY_JOB_ID"), environment["SLURM_JOB_ID"]
    return JobContext(
        job_id=f"{array}_{environment['SLURM_ARRAY_TASK_ID']}" if array else own,
        slurm_job_id=own,
        node=environment.get("SLURMD_NODENAME", ""),
        host=socket.gethostname(),
        gpus=environment.get("CUDA_VISIBLE_DEVICES", ""),
        restarts=int(environment.get("SLURM_RESTART_COUNT", "0")),
    )


class JobEnd:
    """When this job must be over: by the clock, or sooner if Slurm gives notice with a signal.

    Sites differ in which signals they send and when, so the clock decides; a signal can only bring the end closer.

    Attributes:
        deadline: moment (seconds since the epoch) by which everything must be saved and gone.
        noticed: whether a signal came.
    """

    def __init__(
        self, *, deadline: float, drain_seconds: float, notice_seconds: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.deadline = deadline
        self.noticed = False
        self._walltime = deadline
        self._drain_seconds = drain_seconds
        self._notice_seconds = notice_seconds
        self._clock = clock

    def is_near(self) -> bool:
        """Whether it is time to drain."""
        return self.noticed or drain_is_due(self.deadline, self._drain_seconds, self._clock.now())

    def walltime_is_near(self) -> bool:
        """Whether it is time to drain by the clock alone."""
        return drain_is_due(self._walltime, self._drain_seconds, self._clock.now())

    def notice(self) -> None:
        """Slurm or a user wants the job to end: it has only the site's notice left."""
        self.noticed = True
        self.deadline = min(self.deadline, self._clock.now() + self._notice_seconds)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Meanwhile treat SIGTERM (scancel, preemption) and SIGUSR2 (preemption, the walltime) as notices."""
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGUSR2)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM or not announces_walltime(self.deadline, self._drain_seconds, self._clock.now()):
            self.notice()


def job_end(
    job: JobContext,
    *,
    time_limit: float,
    drain_seconds: float,
    notice_seconds: float,
    clock: Clock = SYSTEM_CLOCK,
) -> JobEnd:
    """The end of `job`: from Slurm if it answers, else from the requested time limit (in seconds)."""
    announced = os.environ.get("SLURM_JOB_END_TIME")  # since Slurm 23.02
    if announced is not None:
        deadline = float(announced)
    else:
        left = seconds_left(job.slurm_job_id)
        deadline = clock.now() + (time_limit if left is None else left)
    return JobEnd(deadline=deadline, drain_seconds=drain_seconds, notice_seconds=notice_seconds, clock=clock)
