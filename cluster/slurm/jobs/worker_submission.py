"""Worker jobs, submitted: as many as Slurm's limits allow."""

from __future__ import annotations

import re
from collections.abc import Collection

from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.worker_job import run_worker
from cluster.slurm.queue.slurm_commands import longest_array
from cluster.slurm.records import SlurmLaunch
from cluster.slurm.submission.submit import submit_jobs
from fdt_core.errors import EnvironmentProblem

# Slurm's words for limits on the number of jobs: QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit, ..., "Job
# violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "Invalid job array specification".
_A_LIMIT = re.compile(r"MaxSubmit|MaxJobs|submit limit|job array|too many", re.IGNORECASE)


def submit_workers(
    files: SlurmFiles, launch: SlurmLaunch, *, count: int, profile: int = 0, avoid: Collection[str] = ()
) -> list[str]:
    """Submit `count` worker jobs by one of the launch's profiles; more than one make a job array.

    They start on no node of `avoid`, unless the profile's sbatch options exclude others. Fewer are returned where Slurm
    took some and then refused; where it took none, its refusal is raised.
    """
    jobs: list[str] = []
    name = launch.profiles[profile].name
    options = {"exclude": ",".join(sorted(avoid))} if avoid else {}
    longest = longest_array() if count > 1 else 1
    while (batch := min(count - len(jobs), longest)) > 0:
        try:
            jobs += submit_jobs(
                files, launch, "worker", profile, run_worker, count=batch, arguments=(name,), options=options
            )
        except EnvironmentProblem:
            if not jobs:
                raise
            break
    return jobs


def submit_allowed_workers(
    files: SlurmFiles, launch: SlurmLaunch, *, count: int, profile: int = 0, avoid: Collection[str] = ()
) -> list[str]:
    """Like `submit_workers`, but where Slurm's limits do not allow `count` jobs, as many as they do, found by halving.

    Raises the refusal where not even one is allowed, or where it has another reason.
    """
    while True:
        try:
            return submit_workers(files, launch, count=count, profile=profile, avoid=avoid)
        except EnvironmentProblem as refusal:
            if count == 1 or not _A_LIMIT.search(str(refusal)):
                raise
            count //= 2
