"""Which job sbatch has submitted: read from what it, and a site's wrapper around it, print."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUBMITTED = re.compile(r"Submitted batch job (\d+)(?: on cluster (\S+))?")
_NUMBER_ALONE = re.compile(r"^\s*(\d+)(?:;(\S+))?\s*$", re.MULTILINE)
"""What `sbatch --parsable` prints: the job, and its cluster in a federation."""


@dataclass(frozen=True)
class SubmittedJob:
    """The job's number, and its cluster if one was named."""

    job_id: str
    cluster: str | None = None


def submitted_job(answer: str) -> SubmittedJob | None:
    """The job that sbatch's answer names; None if it names none, or several.

    The answer may contain other numbers ("this is job 3 of the 50 that you may have"). Only the line that sbatch itself
    prints counts, the last one if there are several; without one, the only line that is just a number.
    """
    lines = list(_SUBMITTED.finditer(answer))[-1:] or list(_NUMBER_ALONE.finditer(answer))
    return SubmittedJob(lines[0][1], lines[0][2]) if len(lines) == 1 else None
