"""Head and worker jobs, submitted through submitit; nothing of a refused launch stays in the queue."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cluster.access_token import ensure_token
from cluster.fingerprint import own_fingerprint
from cluster.processes import process_environment
from cluster.profile import ClusterProfile
from cluster.sbatch_answer import SubmittedJob
from cluster.slurm_commands import cancel_jobs, clean_environment, longest_array, queued_jobs
from cluster.slurm_files import HeadRecord, JobRecord, Launch, Role, SlurmFiles, write_record
from cluster.slurm_units import parse_time_limit
from cluster.sweep_jobs import check_not_launched, jobs_in_queue
from fdt_core.errors import EnvironmentProblem

# Slurm's words for limits on the number of jobs: QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit, ..., "Job
# violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "Invalid job array specification".
_A_LIMIT = re.compile(r"MaxSubmit|MaxJobs|submit limit|job array|too many", re.IGNORECASE)


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
) -> Launch:
    """What the jobs of this launch are to know; the versions and the code are this machine's."""
    digest = hashlib.sha256(str(run_directory).encode()).hexdigest()[:6]
    return Launch(
        sweep=sweep,
        job_name=f"fdt-{sweep}-{digest}",
        profiles=tuple(profiles),
        head_command=tuple(head_command),
        fingerprint=own_fingerprint(),
        data_directory=data_directory,
        dataset_digests=dict(dataset_digests),
    )


def submit_sweep(files: SlurmFiles, launch: Launch, *, workers: int) -> Submission:
    """Submit one head job and up to `workers` worker jobs, and return at once.

    Workers of an earlier launch that wait for a head count, but for those that will never start. Raises
    EnvironmentProblem where a head is already in the queue, Slurm is missing or refuses, and UsageError for an unknown
    partition; no job is left then.
    """
    check_not_launched(files)
    files.create()
    waiting = sum(not job.waits_for_good for job in jobs_in_queue(launch))
    ensure_token(files.token)
    for request in (files.drain, files.cancel, files.pool):
        request.unlink(missing_ok=True)
    write_record(files.launch, launch)
    write_record(files.head, HeadRecord(state="expected", written_at=time.time()))
    submitted: list[str] = []
    try:
        submitted += submit_head(files, launch)
        if (count := workers - waiting - _workers_in_head(launch)) > 0:
            submitted += submit_allowed_workers(files, launch, count=count)
    except BaseException:
        cancel_jobs(submitted)
        write_record(files.head, HeadRecord(state="closed", why="submission failed", written_at=time.time()))
        raise
    return Submission(head=submitted[0], workers=tuple(submitted[1:]))


def submit_head(files: SlurmFiles, launch: Launch, *, after: str | None = None) -> list[str]:
    """Submit the head's job, to start once job `after` is over."""
    from cluster.head_job import run_head

    more = {"dependency": f"afterany:{after}"} if after else {}
    return _submit(files, launch, "head", 0, run_head, count=1, more=more)


def submit_workers(
    files: SlurmFiles, launch: Launch, *, count: int, profile: int = 0, avoid: Collection[str] = ()
) -> list[str]:
    """Submit `count` worker jobs by one of the launch's profiles; more than one make a job array.

    They start on no node of `avoid`, unless the profile's sbatch options exclude others. Fewer are returned where Slurm
    took some and then refused; where it took none, its refusal is raised.
    """
    from cluster.worker_job import run_worker

    jobs: list[str] = []
    name = launch.profiles[profile].name
    more = {"exclude": ",".join(sorted(avoid))} if avoid else {}
    longest = longest_array() if count > 1 else 1
    while (batch := min(count - len(jobs), longest)) > 0:
        try:
            jobs += _submit(files, launch, "worker", profile, run_worker, count=batch, arguments=(name,), more=more)
        except EnvironmentProblem:
            if not jobs:
                raise
            break
    return jobs


def submit_check(files: SlurmFiles, launch: Launch, examine: Callable[..., None], runs: Path) -> str:
    """Submit one job of a worker's size that calls `examine(slurm directory, runs, profile)`; returns its id."""
    (job,) = _submit(files, launch, "worker", 0, examine, count=1, arguments=(str(runs), launch.profiles[0]))
    return job


def submit_allowed_workers(
    files: SlurmFiles, launch: Launch, *, count: int, profile: int = 0, avoid: Collection[str] = ()
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


def scripts(files: SlurmFiles, launch: Launch, *, workers: int) -> dict[Role, str]:
    """The sbatch scripts that `submit_sweep` would submit, letter by letter. Needs no Slurm and writes nothing."""
    count = workers - _workers_in_head(launch)
    found: dict[Role, str] = {"head": _script(files, launch, "head", 1)}
    return found | ({"worker": _script(files, launch, "worker", count)} if count else {})


def _workers_in_head(launch: Launch) -> int:
    return 1 if launch.profiles[0].head.placement == "first_worker" else 0


def _submit(
    files: SlurmFiles,
    launch: Launch,
    role: Role,
    profile_index: int,
    function: Callable[..., None],
    *,
    count: int,
    arguments: tuple[Any, ...] = (),
    more: dict[str, Any] | None = None,
) -> list[str]:
    """Submit `count` jobs that call `function(slurm directory, *arguments)`, and note their ids."""
    from cluster.sbatch import SbatchExecutor, SubmissionInDoubt, answers_of_sbatch, explained

    profile = launch.profiles[profile_index]
    parameters = _parameters(launch, role, profile, more or {})
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


def _script(files: SlurmFiles, launch: Launch, role: Role, count: int) -> str:
    from submitit.slurm.slurm import _make_sbatch_string  # its only way to a script without a submission

    from cluster.sbatch import job_command

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


def _parameters(launch: Launch, role: Role, profile: ClusterProfile, more: dict[str, Any]) -> dict[str, Any]:
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
