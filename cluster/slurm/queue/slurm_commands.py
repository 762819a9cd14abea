"""Slurm's commands as functions: every call has a time limit, and asks about many jobs at once."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.profile.slurm_units import parse_time_limit
from cluster.slurm.queue.waiting_reasons import waits_for_good
from fdt_core.errors import EnvironmentProblem
from fdt_core.import_path import given_environment

_SECONDS = 60.0
_RECORD = re.compile(r"((\d+)\|\2|\d+_[\w\[\],%-]+\|\d+)\|([A-Z_]+)\|([^|]*)\|(.*)")
"""A job in squeue's answer: outside job arrays the two ids are the same. Banners are not of this form, nor are pieces
of a job's name that has a line break."""

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

    @property
    def waits_for_good(self) -> bool:
        """Whether it waits, and will not start unless somebody does something."""
        return self.state == "PENDING" and waits_for_good(self.reason)


def clean_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """`inherited` without what the shell of another job, or a user's habits, would impose on Slurm's commands.

    SLURM_CONF stays: it says which cluster this is. Python's variables are the user's own again, for a site's commands
    may be written in a Python of its own, and jobs inherit them.
    """
    given = given_environment(inherited)
    return {name: value for name, value in given.items() if name == "SLURM_CONF" or not name.startswith(_FOREIGN)}


def queued_jobs(*, patience: float = _SECONDS) -> list[QueuedJob]:
    """All jobs of this user that are not over, array tasks one by one.

    The user is asked for by number: the name in the environment is somebody else's after `su`, and a number may have
    no name. Raises EnvironmentProblem where squeue fails, or gives no answer within `patience` seconds.
    """
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i|%A|%T|%r|%j"]
    found = filter(None, map(_RECORD.fullmatch, _run(command, patience=patience).split("\n")))
    return [_queued_job(*record[1].split("|"), *record.groups()[2:]) for record in found]


def _queued_job(job_id: str, slurm_job_id: str, state: str, reason: str, name: str) -> QueuedJob:
    return QueuedJob(job_id=job_id, slurm_job_id=slurm_job_id, state=state, reason=reason, name=name)


def seconds_left(job_id: str) -> int | None:
    """Seconds until Slurm ends a running job; None where that cannot be known now."""
    try:
        answer = _run(["squeue", "--noheader", f"--jobs={job_id}", "--format=%L"])
    except EnvironmentProblem:
        return None
    found = None
    for line in answer.splitlines():  # the last that is a time: what a site says comes before it
        with contextlib.suppress(ValueError):
            found = parse_time_limit(line)
    return found


def cancel_jobs(job_ids: Sequence[str], *, other_cluster: str | None = None) -> None:
    """scancel; jobs that are over already are no error. Raises EnvironmentProblem where Slurm does not answer."""
    if job_ids:
        where = [f"--clusters={other_cluster}"] if other_cluster else []
        _run(["scancel", "--quiet", *where, *job_ids])


def longest_array() -> int:
    """The most tasks that a job array may have (MaxArraySize); 1 where arrays are off, 1000 where Slurm hides it."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _run(["scontrol", "show", "config"]), re.MULTILINE)
    except EnvironmentProblem:
        found = None
    return 1000 if found is None else max(int(found[1]), 1)


def partitions() -> list[str]:
    """Names of the partitions that this user sees."""
    lines = map(str.strip, _run(["sinfo", "--noheader", "--format=%R"]).splitlines())
    return sorted({line for line in lines if re.fullmatch(r"[\w.+-]+", line)})


def slurm_version() -> str:
    """Such as `slurm 23.11.4`."""
    answer = _run(["sbatch", "--version"])
    found = re.search(r"^slurm\S* \d\S*", answer, re.MULTILINE)
    return found[0] if found else _last_line(answer)


def accepts_script(script: str) -> str:
    """What sbatch would do with a script; submits nothing. Raises EnvironmentProblem where it refuses."""
    answer = _run(["sbatch", "--test-only"], script, merge=True)
    found = re.search(r"Job \d+ to start at .*", answer)
    return found[0] if found else _last_line(answer).removeprefix("sbatch: ")


def _run(command: Sequence[str], text: str | None = None, *, merge: bool = False, patience: float = _SECONDS) -> str:
    """Standard output of a command of Slurm, with its standard error if they are to `merge`.

    Names of jobs may hold any bytes: what is not UTF-8 is replaced. Raises EnvironmentProblem with what the command
    complained of, or where it gives no answer within `patience` seconds.
    """
    try:
        done = subprocess.run(
            list(command),
            input=text,
            env=clean_environment(os.environ),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience,
            check=False,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem(f"no Slurm on this machine: the command {command[0]!r} is missing") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(f"{command[0]} gave no answer within {patience:.0f} s: is slurmctld down?") from error
    except OSError as error:
        raise EnvironmentProblem(f"{command[0]} cannot be started: {error.strerror}") from error
    if done.returncode:
        complaint = _last_line(done.stderr) or _last_line(done.stdout) or f"exit status {done.returncode}"
        raise EnvironmentProblem(f"{command[0]}: {complaint}")
    return done.stdout + done.stderr if merge else done.stdout


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
