"""Launch a sweep on Slurm: submit its head job and its first workers, or show what would be submitted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cluster.machine.fingerprint import own_fingerprint
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.access_token import ensure_token
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.head_job import submit_head
from cluster.slurm.jobs.worker_submission import submit_allowed_workers
from cluster.slurm.queue.slurm_commands import cancel_jobs
from cluster.slurm.queue.sweep_jobs import check_not_launched, jobs_in_queue
from cluster.slurm.records import HeadRecord, HeadState, Role, SlurmLaunch
from cluster.slurm.submission.submit import JobRequest, job_script, submit_jobs


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The ids of the jobs of a launch."""

    head: str
    workers: tuple[str, ...]


def make_launch(
    run_directory: Path,
    sweep: str,
    profiles: Sequence[ClusterProfile],
    head_command: Sequence[str],
    *,
    data_directory: str = "",
    dataset_digests: Mapping[str, str] = MappingProxyType({}),
) -> SlurmLaunch:
    """What the jobs of this launch must know; versions and code are those of this machine."""
    digest = hashlib.sha256(str(run_directory).encode()).hexdigest()[:6]
    return SlurmLaunch(
        sweep=sweep,
        job_name=f"fdt-{sweep}-{digest}",
        profiles=tuple(profiles),
        head_command=tuple(head_command),
        fingerprint=own_fingerprint(),
        data_directory=data_directory,
        dataset_digests=dict(dataset_digests),
    )


def submit_sweep(files: SlurmFiles, launch: SlurmLaunch, *, workers: int) -> Submission:
    """Submit one head job and up to `workers` worker jobs, and return at once.

    Workers that an earlier launch left in the queue count towards `workers`, except those that will not start. Raises
    EnvironmentProblem if a head is already in the queue, the sweep's credentials cannot be used, or Slurm is missing or
    refuses, and UsageError for an unknown partition; no job is left then.
    """
    from cluster.ray_nodes.certificates import ensure_authority

    check_not_launched(files)
    files.create()
    waiting = sum(not job.will_not_start for job in jobs_in_queue(launch))
    ensure_token(files.token)
    if launch.profiles[0].tls:
        ensure_authority(files.authority)
    for request in (files.drain, files.cancel, files.pool):
        request.unlink(missing_ok=True)
    write_record(files.launch, launch)
    write_record(files.head, HeadRecord(state=HeadState.EXPECTED, written_at=time.time()))
    submitted: list[str] = []
    try:
        submitted += submit_head(files, launch)
        if (count := workers - waiting - _workers_in_head(launch)) > 0:
            submitted += submit_allowed_workers(files, launch, count=count)
    except BaseException:
        cancel_jobs(submitted)
        closed = HeadRecord(state=HeadState.CLOSED, why="submission failed", written_at=time.time())
        write_record(files.head, closed)
        raise
    return Submission(head=submitted[0], workers=tuple(submitted[1:]))


def submit_check(files: SlurmFiles, launch: SlurmLaunch, examine: Callable[..., None], runs: Path) -> str:
    """Submit one job of a worker's size that calls `examine(slurm directory, runs, profile)`; returns its id."""
    request = JobRequest(role=Role.WORKER, function=examine, arguments=(str(runs), launch.profiles[0]))
    (job,) = submit_jobs(files, launch, request)
    return job


def scripts(files: SlurmFiles, launch: SlurmLaunch, *, workers: int) -> dict[Role, str]:
    """The exact sbatch scripts that `submit_sweep` would submit. Needs no Slurm and writes nothing."""
    count = workers - _workers_in_head(launch)
    found = {Role.HEAD: job_script(files, launch, Role.HEAD, 1)}
    return found | ({Role.WORKER: job_script(files, launch, Role.WORKER, count)} if count else {})


def _workers_in_head(launch: SlurmLaunch) -> int:
    return 1 if launch.profiles[0].head.placement == "first_worker" else 0
