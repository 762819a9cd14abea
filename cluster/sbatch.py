"""submitit's executor for Slurm, but for two things: how a job starts Python, and how sbatch's answer is read."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from cluster.sbatch_answer import SubmittedJob, submitted_job


def job_command(python: str, folder: Path) -> str:
    """The shell command of a job whose call lies in `folder`; `python` is a command of the shell too."""
    return f"{python} -P -u -m fdt_core.start submitit.core._submit {shlex.quote(str(folder))}"


class SbatchExecutor(submitit.SlurmExecutor):
    """An executor whose jobs import nothing of the user's in place of the installation's modules."""

    @property
    def _submitit_command_str(self) -> str:
        return job_command(self.python, self.folder)


@contextlib.contextmanager
def answers_of_sbatch() -> Iterator[list[SubmittedJob]]:
    """Have submitit take jobs from sbatch's answers as `submitted_job` does; yields those that it took.

    Replaced in the class, for submitit submits a job array by an executor that it makes itself.
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
