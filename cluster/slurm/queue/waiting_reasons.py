"""Why a job waits in Slurm's queue: which reasons pass by themselves, and what to do about those that do not."""

from __future__ import annotations

import re

# Slurm's words (squeue's manual, JOB REASON CODES; older versions write spaces for the underscores). A limit of a
# single job is never kept by waiting; a budget of minutes is, but for the minutes of running jobs, not in our time.
_FOR_GOOD = re.compile(
    r"Held|_held|in_held_state|JobHoldMaxRequeue|Partition(Time|Node)Limit|BadConstraints|NeverSatisfied"
    r"|PerJob|MaxMemPerLimit|MinCpuNotSatisfied|QOSMin|Invalid(Account|QOS)|(QOS|Account)NotAllowed"
    r"|ReservationDeleted|DeadLine|Grp\w*(?<!Run)Minutes"
)

_CURES = {
    "PartitionTimeLimit": "`time` in the profile is longer than the partition allows",
    "PartitionNodeLimit": "the partition has no room for such a job: see its limits with scontrol show partition",
    "JobHeldUser": "scontrol release {job}",
    "JobHeldAdmin": "ask the site",
    "launch_failed_requeued_held": "its node could not start it; scontrol release {job}",
    "job_requeued_in_held_state": "scontrol release {job}",
    "BadConstraints": "no node has what the profile asks for",
}


def waits_for_good(reason: str) -> bool:
    """Whether a job that waits for this reason never starts, unless somebody does something."""
    return _FOR_GOOD.search(reason.replace(" ", "_")) is not None


def cure(reason: str, job: str) -> str:
    """What to do about a job that waits for this reason; empty where Slurm's word says it all."""
    return _CURES.get(reason.replace(" ", "_").strip("()"), "").format(job=job)
