"""Which job sbatch has submitted: read from what it prints, and what a site's wrapper prints around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUBMITTED = re.compile(r"Submitted batch job (\d+)(?: on cluster (\S+))?")
_NUMBER_ALONE = re.compile(r"^\s*(\d+)(?:;(\S+))?\s*$", re.MULTILINE)
"""What `sbatch --parsable` prints: the job, and its cluster in a federation."""


@dataclass(frozen=True)
class SubmittedJob:
    """The job's number, and the cluster that it was said to be on, if one was named."""

    job_id: str
    cluster: str | None = None


def submitted_job(answer: str) -> SubmittedJob | None:
    """The job that an answer of sbatch names; None where it names none, or several.

    Other numbers may stand in it ("this is job 3 of the 50 that you may have"): only sbatch's own line counts, the last
    one where there are more, or else a line that is a number alone.
    """
    lines = list(_SUBMITTED.finditer(answer))[-1:] or list(_NUMBER_ALONE.finditer(answer))
    return SubmittedJob(lines[0][1], lines[0][2]) if len(lines) == 1 else None
