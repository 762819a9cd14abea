"""A clock and a queue of Slurm in memory, for tests that neither wait nor submit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.profile.schema import load_profile
from cluster.slurm.clock import Clock
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.queue.slurm_commands import ANSWER_SECONDS, QueuedJob
from cluster.slurm.records import Role, SlurmLaunch, WorkerRecord, WorkerState
from fdt_core.errors import EnvironmentProblem


@dataclass
class FakeClock:
    """Stands still until a test moves it, or the code under test sleeps; then `on_sleep` happens."""

    moment: float = 1000.0
    on_sleep: Callable[[], None] = lambda: None

    def clock(self) -> Clock:
        return Clock(now=self.now, monotonic=self.now, sleep=self.sleep)

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds
        self.on_sleep()


@dataclass
class FakeQueue:
    """Slurm's commands on a queue in memory."""

    jobs: dict[str, QueuedJob] = field(default_factory=dict)
    longest: int = 1000
    down: bool = False
    questions: int = 0
    cancelled: list[str] = field(default_factory=list)

    def add(self, job_id: str, name: str, state: str = "PENDING", reason: str = "") -> None:
        self.jobs[job_id] = QueuedJob(job_id=job_id, slurm_job_id=job_id, name=name, state=state, reason=reason)

    def queued_jobs(self, *, patience: float = ANSWER_SECONDS) -> list[QueuedJob]:
        self.questions += 1
        if self.down:
            raise EnvironmentProblem("squeue: Unable to contact slurm controller")
        return list(self.jobs.values())

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self.cancelled += job_ids
        for job_id in job_ids:
            del self.jobs[job_id]

    def longest_array(self) -> int:
        return self.longest


def launched(files: SlurmFiles, *commands: str, **keys: Any) -> SlurmLaunch:
    """A launch of the sweep `s` whose profile has these `keys`, recorded in `files`."""
    launch = make_launch(files.directory.parent, "s", [load_profile("slurm", keys)], commands or ["true"])
    files.create()
    write_record(files.launch, launch)
    return launch


def add_head(queue: FakeQueue, launch: SlurmLaunch, job_id: str, state: str = "RUNNING") -> None:
    queue.add(job_id, launch.name_of(Role.HEAD), state)


def worker_record(
    job_id: str,
    state: WorkerState = WorkerState.JOINED,
    *,
    started_at: float = 1.0,
    joined_at: float | None = 2.0,
    beat: int = 1,
    idle_beats: int = 0,
    unfit: bool = False,
    why: str = "",
) -> WorkerRecord:
    """The record of a worker on the node `nJOB_ID`."""
    return WorkerRecord(
        job_id=job_id,
        slurm_job_id=job_id,
        host="h",
        node=f"n{job_id}",
        state=state,
        started_at=started_at,
        joined_at=joined_at,
        beat=beat,
        idle_beats=idle_beats,
        unfit=unfit,
        why=why,
        written_at=0.0,
    )
