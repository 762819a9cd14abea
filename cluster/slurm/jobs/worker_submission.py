"""Submitting worker jobs: as many as Slurm's limits allow."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.worker_job import run_worker
from cluster.slurm.queue import slurm_commands
from cluster.slurm.queue.slurm_commands import SlurmCommands
from cluster.slurm.records import Role, SlurmLaunch
from cluster.slurm.submission.submit import JobRequest, submit_jobs
from fdt_core.errors import EnvironmentProblem

Submit = Callable[[SlurmFiles, SlurmLaunch, JobRequest], list[str]]

# Slurm's names for limits on the number of jobs: QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit, ..., "Job
# violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "Invalid job array specification".
_A_LIMIT = re.compile(r"MaxSubmit|MaxJobs|submit limit|job array|too many", re.IGNORECASE)


def submit_workers(
    files: SlurmFiles,
    launch: SlurmLaunch,
    *,
    count: int,
    profile: int = 0,
    avoid: Collection[str] = (),
    slurm: SlurmCommands = slurm_commands,
    submit: Submit = submit_jobs,
) -> list[str]:
    """Submit `count` worker jobs with one of the launch's profiles, in job arrays of the allowed length.

    They start on no node of `avoid`, unless the profile's sbatch options exclude others. If Slurm accepts some and then
    refuses, those are returned; if it accepts none, its refusal is raised (EnvironmentProblem).
    """
    jobs: list[str] = []
    longest = slurm.longest_array() if count > 1 else 1
    while (batch := min(count - len(jobs), longest)) > 0:
        request = JobRequest(
            role=Role.WORKER,
            function=run_worker,
            arguments=(launch.profiles[profile].name,),
            profile=profile,
            count=batch,
            options={"exclude": ",".join(sorted(avoid))} if avoid else {},
        )
        try:
            jobs += submit(files, launch, request)
        except EnvironmentProblem:
            if not jobs:
                raise
            break
    return jobs


def submit_allowed_workers(
    files: SlurmFiles,
    launch: SlurmLaunch,
    *,
    count: int,
    profile: int = 0,
    avoid: Collection[str] = (),
    slurm: SlurmCommands = slurm_commands,
    submit: Submit = submit_jobs,
) -> list[str]:
    """Like `submit_workers`, but if Slurm's limits do not allow `count` jobs, submit as many as halving finds allowed.

    Raises the refusal if not even one is allowed, or if the refusal has another reason.
    """
    while True:
        try:
            return submit_workers(files, launch, count=count, profile=profile, avoid=avoid, slurm=slurm, submit=submit)
        except EnvironmentProblem as refusal:
            if count == 1 or not _A_LIMIT.search(str(refusal)):
                raise
            count //= 2
