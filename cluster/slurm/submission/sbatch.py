"""submitit's executor for Slurm, with our way of starting Python and of reading sbatch's answers."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from cluster.profile.schema import ClusterProfile
from cluster.slurm.queue.slurm_commands import partitions
from cluster.slurm.records import Role
from cluster.slurm.submission.sbatch_answer import SubmittedJob, submitted_job
from fdt_core.errors import EnvironmentProblem, FdtError, unknown_name

# sbatch got no answer, or submitit could not read sbatch's: the job may be in the queue all the same.
_A_DOUBT = re.compile(r"timed out|unable to contact|communication|unknown reason", re.IGNORECASE)


def job_command(python: str, folder: Path) -> str:
    """The shell command of a job whose pickled call is in `folder`; `python` is a shell command too."""
    return f"{python} -P -u -m fdt_core.start submitit.core._submit {shlex.quote(str(folder))}"


class SbatchExecutor(submitit.SlurmExecutor):
    """An executor whose jobs never import a user's file in place of one of the installation's modules."""

    @property
    def _submitit_command_str(self) -> str:
        return job_command(self.python, self.folder)


@contextlib.contextmanager
def answers_of_sbatch() -> Iterator[list[SubmittedJob]]:
    """Have submitit read sbatch's answers with `submitted_job`; yields the list to which each job found is added.

    The method is replaced in the class, because submitit makes another executor itself to submit a job array.
    """
    answers: list[SubmittedJob] = []

    def read(answer: str) -> str:
        job = submitted_job(answer)
        if job is None:
            raise FailedSubmissionError(answer)
        answers.append(job)
        return job.job_id

    executor: Any = SlurmExecutor
    before = vars(SlurmExecutor)["_get_job_id_from_submission_command"]
    executor._get_job_id_from_submission_command = staticmethod(read)
    try:
        yield answers
    finally:
        executor._get_job_id_from_submission_command = before


class SubmissionInDoubt(Exception):
    """sbatch may have submitted a job without naming it; the message quotes its answer."""


@contextlib.contextmanager
def explained(role: Role, profile: ClusterProfile) -> Iterator[None]:
    """Turn submitit's errors into one message, and keep submitit from printing sbatch's message as well."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    except FailedSubmissionError as error:
        raise SubmissionInDoubt(
            f"sbatch's answer names no job: {str(error).strip() or 'it printed nothing'!r}"
        ) from error
    except FailedJobError as error:
        refusal = _refusal(role, profile, str(error))
        if _A_DOUBT.search(str(error)):
            raise SubmissionInDoubt(str(refusal)) from error
        raise refusal from error
    except (FileNotFoundError, RuntimeError) as error:
        raise EnvironmentProblem(f"no Slurm on this machine: {error}") from error
    except OSError as error:
        raise EnvironmentProblem(f"cannot write the {role} job's files: {error}") from error


def _refusal(role: Role, profile: ClusterProfile, complaint: str) -> FdtError:
    wanted = (profile.head.partition if role == Role.HEAD else None) or profile.partition
    if "invalid partition" in complaint.lower() and wanted:
        return unknown_name("Slurm partition", wanted, partitions())
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in complaint.splitlines() if line.strip()]
    return EnvironmentProblem(f"sbatch refused the {role} job: {'; '.join(lines) or 'it printed nothing'}")
