"""One job, or an array of them, submitted through submitit; nothing of a refused submission stays in the queue."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from cluster.profile.schema import ClusterProfile
from cluster.profile.slurm_units import parse_time_limit
from cluster.slurm.files import SlurmFiles
from cluster.slurm.queue.slurm_commands import cancel_jobs, clean_environment, queued_jobs
from cluster.slurm.records import JobRecord, Role, SlurmLaunch
from cluster.slurm.submission.sbatch_answer import SubmittedJob
from fdt_core.compute.process import process_environment
from fdt_core.errors import EnvironmentProblem


def submit_jobs(
    files: SlurmFiles,
    launch: SlurmLaunch,
    role: Role,
    profile_index: int,
    function: Callable[..., None],
    *,
    count: int,
    arguments: tuple[Any, ...] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> list[str]:
    """Submit `count` jobs that call `function(slurm directory, *arguments)`, and note their ids.

    More than one make a job array. `options` are further options of sbatch. Raises EnvironmentProblem or UsageError
    where Slurm is missing or refuses; no job is left then.
    """
    from cluster.slurm.submission.sbatch import SbatchExecutor, SubmissionInDoubt, answers_of_sbatch, explained

    profile = launch.profiles[profile_index]
    parameters = _parameters(launch, role, profile, options)
    try:
        with (
            process_environment(clean_environment(os.environ)),
            explained(role, profile),
            answers_of_sbatch() as answers,
        ):
            executor = SbatchExecutor(folder=files.jobs, python=_python(profile))
            executor.update_parameters(**parameters)
            with executor.batch():
                jobs = [executor.submit(function, str(files.directory), *arguments) for _ in range(count)]
    except SubmissionInDoubt as doubt:
        raise EnvironmentProblem(f"{doubt}; {_take_back(files, launch.name_of(role))}") from doubt
    for answer in answers:
        _check_is_listed(answer, role)
    now, name = time.time(), launch.name_of(role)
    files.note_jobs(
        [JobRecord(job_id=job.job_id, role=role, name=name, submitted_at=now, profile=profile.name) for job in jobs]
    )
    return [job.job_id for job in jobs]


def _take_back(files: SlurmFiles, name: str) -> str:
    """Cancel the jobs called `name` that are in the queue and that nobody has noted; says what became of them."""
    try:
        noted = {job.job_id for job in files.read_jobs()}
        found = [job.job_id for job in queued_jobs() if job.name == name and job.job_id not in noted]
        cancel_jobs(found)
    except EnvironmentProblem as problem:
        return f"look whether a job {name} waits, and cancel it ({problem})"
    return f"cancelled what it had submitted: {', '.join(found)}" if found else "no job of it is in the queue"


def _check_is_listed(answer: SubmittedJob, role: Role) -> None:
    """Cancel a job on a cluster whose jobs squeue does not list here, and raise EnvironmentProblem."""
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
    """The sbatch script of a head's or worker's job, letter by letter. Needs no Slurm and writes nothing."""
    from submitit.slurm.slurm import _make_sbatch_string  # its only way to a script without a submission

    from cluster.slurm.submission.sbatch import job_command

    profile = launch.profiles[0]
    parameters = _parameters(launch, role, profile, {})
    if count > 1:
        parameters["map_count"] = count
    command = job_command(_python(profile), files.jobs)
    return str(_make_sbatch_string(command=command, folder=files.jobs, **parameters))


def _python(profile: ClusterProfile) -> str:
    """The shell command that becomes the job: `exec`, so that Slurm's signals reach Python itself."""
    python = shlex.quote(profile.python or sys.executable)
    return f"exec {profile.container} {python}" if profile.container else f"exec {python}"


def _parameters(launch: SlurmLaunch, role: Role, profile: ClusterProfile, more: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of submitit for a head or worker job."""
    as_worker = role == "worker" or profile.head.placement == "first_worker"
    own = _worker_options(profile) if as_worker else _head_options(profile)
    extra = profile.sbatch if as_worker else profile.head.sbatch
    time_limit = profile.time if role == "worker" else profile.head.time or profile.time
    options = {
        "job_name": launch.name_of(role),
        "nodes": 1,
        "ntasks": 1,
        # `B:`, for the batch script is our process itself.
        "signal": f"B:USR2@{profile.drain_seconds}",
        # A lost worker is replaced by the head; a second one that Slurm starts by itself would be one too many.
        "requeue" if role == "head" else "no_requeue": True,
        "account": profile.account,
        "qos": profile.qos,
        **own,
        **({"mail_user": profile.mail, "mail_type": "END,FAIL"} if profile.mail and role == "head" else {}),
        **more,
        **{name.replace("-", "_"): value for name, value in extra.items()},
    }
    return {
        "time": math.ceil(parse_time_limit(time_limit) / 60),
        "setup": list(profile.setup) or None,
        "stderr_to_stdout": True,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": {
            name: value for name, value in options.items() if value is not None and value is not False
        },
    }


def _worker_options(profile: ClusterProfile) -> dict[str, Any]:
    gpus = profile.gpus_per_node or 0
    kind = f"gpu:{profile.gpu_type}" if profile.gpu_type else "gpu"
    return {
        "partition": profile.partition,
        "cpus_per_task": profile.cpus_per_node or profile.cpus_per_gpu * max(gpus, 1),
        "mem": profile.mem,
        "gres": f"{kind}:{gpus}" if gpus else None,
    }


def _head_options(profile: ClusterProfile) -> dict[str, Any]:
    return {
        "partition": profile.head.partition or profile.partition,
        "cpus_per_task": profile.head.cpus,
        "mem": profile.head.mem,
    }
