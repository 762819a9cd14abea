"""What the jobs of a Slurm run report about themselves, and what Slurm's queue shows about them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.queue.queue_monitor import head_trouble, waiting_lines
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.records import HeadRecord, HeadState, JobRecord, PoolRecord, Role, WorkerRecord, WorkerState
from orchestrator.run.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class SlurmStatus:
    """The jobs of a run.

    Args:
        head: the head's record.
        pool: what holds the pool of workers up; None if nothing ever did.
        submitted: every submitted job.
        workers: the records of the worker jobs that have started.
        queue: the run's jobs in Slurm's queue; None if not known.
        waiting: which of these jobs wait and why, as text.
        head_trouble: why the head will never start; None if it may.
    """

    head: HeadRecord
    pool: PoolRecord | None
    submitted: tuple[JobRecord, ...]
    workers: tuple[WorkerRecord, ...]
    queue: tuple[QueuedJob, ...] | None
    waiting: tuple[str, ...]
    head_trouble: str | None

    @property
    def is_over(self) -> bool:
        """Whether the head has reported that nothing more will run."""
        return self.head.state is HeadState.CLOSED

    def to_json(self) -> dict[str, object]:
        """Plain data, for `status --json`."""
        return asdict(self)


def slurm_status(run: RunDirectory, jobs: Sequence[QueuedJob] | None = None) -> SlurmStatus | None:
    """The jobs of a run; None if it was never launched on Slurm. `jobs` are its jobs in Slurm's queue, if known."""
    files = SlurmFiles(run.slurm)
    head = files.read_head()
    if head is None:
        return None
    return SlurmStatus(
        head=head,
        pool=files.read_pool(),
        submitted=tuple(files.read_jobs()),
        workers=tuple(files.read_workers()),
        queue=None if jobs is None else tuple(jobs),
        waiting=() if jobs is None else tuple(waiting_lines(read_launch(files), jobs)),
        head_trouble=None if jobs is None else head_trouble(files, jobs),
    )


def slurm_lines(slurm: SlurmStatus) -> Iterator[str]:
    """The jobs as text: the head, the workers that are alive, and why others were refused."""
    head = slurm.head
    place = f", job {head.job_id} on {head.host}" if head.job_id else ""
    yield f"  Slurm: head {head.state}{place}{_in_brackets(head.why)}"
    if slurm.is_over:
        return
    yield from _pool_lines(slurm.pool)
    if slurm.head_trouble:
        yield f"  {slurm.head_trouble}"
    yield from (f"  {line}" for line in slurm.waiting if line != slurm.head_trouble)
    started = {worker.job_id for worker in slurm.workers}
    waiting = [job.job_id for job in slurm.submitted if job.role is Role.WORKER and job.job_id not in started]
    if waiting and slurm.queue is None:
        yield f"  workers not started yet: {', '.join(waiting)}"
    for worker in slurm.workers:
        if worker.state is not WorkerState.ENDED:
            gpus = f", GPUs {worker.gpus}" if worker.gpus else ""
            yield f"  worker {worker.job_id} on {worker.node}{gpus}: {worker.state}{_in_brackets(worker.why)}"


def _pool_lines(pool: PoolRecord | None) -> Iterator[str]:
    """Why no more workers are submitted, if something holds them up."""
    if pool is not None and pool.why:
        again = pool.asked_again_at
        then = f"; next attempt at {time.strftime('%H:%M', time.localtime(again))}" if again else ""
        yield f"  no more workers are requested: {pool.why}{then}"


def _in_brackets(why: str) -> str:
    return f" ({why})" if why else ""
