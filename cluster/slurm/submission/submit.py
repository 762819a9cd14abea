"""One job, or a job array, submitted through submitit; a refused submission leaves nothing in the queue."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.profile.schema import ClusterProfile
from cluster.slurm.files import SlurmFiles
from cluster.slurm.queue.slurm_commands import cancel_jobs, clean_environment, queued_jobs
from cluster.slurm.records import JobRecord, Role, SlurmLaunch
from cluster.slurm.submission.job_options import job_parameters
from cluster.slurm.submission.sbatch_answer import SubmittedJob
from fdt_core.compute.process import process_environment
from fdt_core.errors import EnvironmentProblem


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """Jobs that are submitted together."""

    role: Role
    function: Callable[..., None]
    """Called in each job as `function(slurm directory, *arguments)`."""
    arguments: tuple[Any, ...] = ()
    profile: int = 0
    """Index of the launch's profile that they are submitted with."""
    count: int = 1
    """More than one make a job array."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of sbatch."""


def submit_jobs(files: SlurmFiles, launch: SlurmLaunch, request: JobRequest) -> list[str]:
    """Submit the requested jobs, record them, and return their ids.

    Raises EnvironmentProblem or UsageError if Slurm is missing or refuses; no job is left then.
    """
    from cluster.slurm.submission.sbatch import SbatchExecutor, SubmissionInDoubt, answers_of_sbatch, explained

    profile, role = launch.profiles[request.profile], request.role
    parameters = job_parameters(launch, role, profile, request.options)
    call = (request.function, str(files.directory), *request.arguments)
    try:
        with (
            process_environment(clean_environment(os.environ)),
            explained(role, profile),
            answers_of_sbatch() as answers,
        ):
            executor = SbatchExecutor(folder=files.jobs, python=_python(profile))
            executor.update_parameters(**parameters)
            with executor.batch():
                jobs = [executor.submit(*call) for _ in range(request.count)]
    except SubmissionInDoubt as doubt:
        raise EnvironmentProblem(f"{doubt}; {_take_back(files, launch.name_of(role))}") from doubt
    for answer in answers:
        _check_is_listed(answer, role)
    now, name = time.time(), launch.name_of(role)
    files.record_jobs(
        [JobRecord(job_id=job.job_id, role=role, name=name, submitted_at=now, profile=profile.name) for job in jobs]
    )
    return [job.job_id for job in jobs]


def _take_back(files: SlurmFiles, name: str) -> str:
    """Cancel the unrecorded jobs called `name` that are in the queue; returns the outcome, as text."""
    try:
        recorded = {job.job_id for job in files.read_jobs()}
        found = [job.job_id for job in queued_jobs() if job.name == name and job.job_id not in recorded]
        cancel_jobs(found)
    except EnvironmentProblem as problem:
        return f"check whether a job {name} is waiting, and cancel it ({problem})"
    return f"cancelled what it had submitted: {', '.join(found)}" if found else "no such job is in the queue"


def _check_is_listed(answer: SubmittedJob, role: Role) -> None:
    """Raise EnvironmentProblem if the job is on a cluster whose jobs squeue does not list here; cancels it then."""
    if answer.cluster is None or _is_listed(answer.job_id):
        return
    cancel_jobs([answer.job_id], other_cluster=answer.cluster)
    raise EnvironmentProblem(
        f"sbatch put the {role} job {answer.job_id} on cluster {answer.cluster}, whose jobs squeue does not list here: "
        f"it was cancelled; launch on a login node of {answer.cluster}, or choose a partition of this cluster"
    )


def _is_listed(job_id: str) -> bool:
    with contextlib.suppress(EnvironmentProblem):
        return any(job_id == job.job_id.partition("_")[0] for job in queued_jobs())
    return False


def job_script(files: SlurmFiles, launch: SlurmLaunch, role: Role, count: int) -> str:
    """The exact sbatch script of a head's or worker's job. Needs no Slurm and writes nothing."""
    from submitit.slurm.slurm import _make_sbatch_string  # the only way to a script without submitting

    from cluster.slurm.submission.sbatch import job_command

    profile = launch.profiles[0]
    parameters = job_parameters(launch, role, profile, {})
    if count > 1:
        parameters["map_count"] = count
    command = job_command(_python(profile), files.jobs)
    return str(_make_sbatch_string(command=command, folder=files.jobs, **parameters))


def _python(profile: ClusterProfile) -> str:
    """The shell command that becomes the job: `exec`, so that Slurm's signals reach Python itself."""
    python = shlex.quote(profile.python or sys.executable)
    return f"exec {profile.container} {python}" if profile.container else f"exec {python}"
