"""Slurm's commands as functions: each call has a time limit, and asks about many jobs at once.

This module is itself the real `SlurmCommands`; tests pass another.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.profile.slurm_units import parse_time_limit
from cluster.slurm.queue.waiting_reasons import needs_action
from fdt_core.errors import EnvironmentProblem
from fdt_core.import_path import given_environment

ANSWER_SECONDS = 60.0
"""How long an answer is awaited, unless the caller says otherwise."""

_RECORD = re.compile(r"((\d+)\|\2|\d+_[\w\[\],%-]+\|\d+)\|([A-Z_]+)\|([^|]*)\|(.*)")
"""A job in squeue's answer. Outside job arrays the two ids are the same, which distinguishes jobs from a site's
banners, and from the rest of a job name with a line break."""

_FOREIGN = ("SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SQUEUE_", "SINFO_", "SCANCEL_", "SACCT_", "SUBMITIT_")


@dataclass(frozen=True, kw_only=True)
class QueuedJob:
    """A job that waits, runs or is just ending."""

    job_id: str
    """ARRAY_TASK in job arrays."""
    slurm_job_id: str
    """SLURM_JOB_ID in the job."""
    name: str
    state: str
    reason: str
    """Why it waits."""

    @property
    def will_not_start(self) -> bool:
        """Whether it waits, and will not start unless a user or the site acts."""
        return self.state == "PENDING" and needs_action(self.reason)


class SlurmCommands(Protocol):
    """The commands with which the jobs of a sweep are watched and cancelled."""

    def queued_jobs(self, *, patience: float = ANSWER_SECONDS) -> list[QueuedJob]:
        """See the function of this name; so for the others."""

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        """Cancel these jobs."""

    def longest_array(self) -> int:
        """The size limit of a job array."""


def clean_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """`inherited` without what another job's shell, or a user's habits, would impose on Slurm's commands.

    SLURM_CONF stays: it names the cluster. Python's variables get the user's values back: a site's commands may run
    under the site's Python, and jobs inherit the variables.
    """
    given = given_environment(inherited)
    return {name: value for name, value in given.items() if name == "SLURM_CONF" or not name.startswith(_FOREIGN)}


def queued_jobs(*, patience: float = ANSWER_SECONDS) -> list[QueuedJob]:
    """All unfinished jobs of this user; each array task separately.

    The query names the user by number: after `su` the name in the environment is another user's, and a user id may
    have no name. Raises EnvironmentProblem if squeue fails, or does not answer within `patience` seconds.
    """
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i|%A|%T|%r|%j"]
    found = filter(None, map(_RECORD.fullmatch, _run(command, patience=patience).split("\n")))
    return [_queued_job(*record[1].split("|"), *record.groups()[2:]) for record in found]


def _queued_job(job_id: str, slurm_job_id: str, state: str, reason: str, name: str) -> QueuedJob:
    return QueuedJob(job_id=job_id, slurm_job_id=slurm_job_id, state=state, reason=reason, name=name)


def seconds_left(job_id: str) -> int | None:
    """Seconds until Slurm ends a running job; None if that cannot be found out now."""
    try:
        answer = _run(["squeue", "--noheader", f"--jobs={job_id}", "--format=%L"])
    except EnvironmentProblem:
        return None
    found = None
    for line in answer.splitlines():  # the last line that is a time: a site's banner comes before it
        with contextlib.suppress(ValueError):
            found = parse_time_limit(line)
    return found


def cancel_jobs(job_ids: Sequence[str], *, other_cluster: str | None = None) -> None:
    """Run scancel; a job that is already over is not an error. Raises EnvironmentProblem if Slurm does not answer."""
    if job_ids:
        where = [f"--clusters={other_cluster}"] if other_cluster else []
        _run(["scancel", "--quiet", *where, *job_ids])


def longest_array() -> int:
    """The largest allowed job array (MaxArraySize); 1 if arrays are off, 1000 if Slurm does not show the limit."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _run(["scontrol", "show", "config"]), re.MULTILINE)
    except EnvironmentProblem:
        found = None
    return 1000 if found is None else max(int(found[1]), 1)


def partitions() -> list[str]:
    """Names of the partitions visible to this user."""
    lines = map(str.strip, _run(["sinfo", "--noheader", "--format=%R"]).splitlines())
    return sorted({line for line in lines if re.fullmatch(r"[\w.+-]+", line)})


def slurm_version() -> str:
    """Such as `slurm 23.11.4`."""
    answer = _run(["sbatch", "--version"])
    found = re.search(r"^slurm\S* \d\S*", answer, re.MULTILINE)
    return found[0] if found else _last_line(answer)


def accepts_script(script: str) -> str:
    """What sbatch would do with a script; submits nothing. Raises EnvironmentProblem if it refuses the script."""
    answer = _run(["sbatch", "--test-only"], script, merge=True)
    found = re.search(r"Job \d+ to start at .*", answer)
    return found[0] if found else _last_line(answer).removeprefix("sbatch: ")


def _run(
    command: Sequence[str], text: str | None = None, *, merge: bool = False, patience: float = ANSWER_SECONDS
) -> str:
    """Standard output of one of Slurm's commands; with `merge`, its standard error follows.

    Job names may hold any bytes: what is not UTF-8 is replaced. Raises EnvironmentProblem with the command's error
    message, or if it does not answer within `patience` seconds.
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
