"""Slurm's commands as functions: every call has a time limit, and asks about many jobs at once."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.slurm_units import parse_time_limit
from fdt_core.errors import EnvironmentProblem

_SECONDS = 60.0
_FOREIGN = ("SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SQUEUE_", "SINFO_", "SCANCEL_", "SACCT_", "SUBMITIT_")


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job that waits, runs or is just ending. `reason` says why it waits."""

    job_id: str
    """ARRAY_TASK in job arrays."""
    slurm_job_id: str
    """SLURM_JOB_ID in the job."""
    name: str
    state: str
    reason: str


def clean_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """`inherited` without what the shell of another job, or a user's habits, would impose on Slurm's commands.

    SLURM_CONF stays: it says which cluster this is.
    """
    return {name: value for name, value in inherited.items() if name == "SLURM_CONF" or not name.startswith(_FOREIGN)}


def queued_jobs() -> list[QueuedJob]:
    """All jobs of this user that are not over, array tasks one by one. Raises EnvironmentProblem where squeue fails."""
    listed = _run(["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i|%A|%T|%r|%j"])
    rows = [line.split("|", 4) for line in listed.splitlines()]
    return [QueuedJob(job_id=row[0], slurm_job_id=row[1], state=row[2], reason=row[3], name=row[4]) for row in rows]


def seconds_left(job_id: str) -> int | None:
    """Seconds until Slurm ends a running job; None where that cannot be known now."""
    try:
        return parse_time_limit(_run(["squeue", "--noheader", f"--jobs={job_id}", "--format=%L"]).strip())
    except (EnvironmentProblem, ValueError):
        return None


def cancel_jobs(job_ids: Sequence[str]) -> None:
    """scancel; jobs that are over already are no error. Raises EnvironmentProblem where Slurm does not answer."""
    if job_ids:
        _run(["scancel", "--quiet", *job_ids])


def longest_array() -> int:
    """The most tasks that a job array may have (MaxArraySize); 1 where arrays are off, 1000 where Slurm hides it."""
    try:
        for line in _run(["scontrol", "show", "config"]).splitlines():
            if line.startswith("MaxArraySize"):
                return max(int(line.partition("=")[2]), 1)
    except EnvironmentProblem:
        pass
    return 1000


def partitions() -> list[str]:
    """Names of the partitions that this user sees."""
    return sorted(set(_run(["sinfo", "--noheader", "--format=%R"]).split()))


def slurm_version() -> str:
    """Such as `slurm 23.11.4`."""
    return _run(["sbatch", "--version"]).strip()


def accepts_script(script: str) -> str:
    """What sbatch would do with a script; submits nothing. Raises EnvironmentProblem where it refuses."""
    return _run(["sbatch", "--test-only"], script, merge=True).strip().removeprefix("sbatch: ")


def _run(command: Sequence[str], text: str | None = None, *, merge: bool = False) -> str:
    """Standard output of a command of Slurm, with its standard error if they are to `merge`.

    Raises EnvironmentProblem with what it complained of.
    """
    try:
        done = subprocess.run(
            list(command),
            input=text,
            env=clean_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem(f"no Slurm on this machine: the command {command[0]!r} is missing") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(f"{command[0]} gave no answer within {_SECONDS:.0f} s: is slurmctld down?") from error
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines()
        raise EnvironmentProblem(f"{command[0]}: {complaint[-1] if complaint else f'exit status {done.returncode}'}")
    return done.stdout + done.stderr if merge else done.stdout
