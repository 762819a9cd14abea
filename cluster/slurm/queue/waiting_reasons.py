"""Why a job waits in Slurm's queue: which reasons go away by themselves, and what to do about the others."""

from __future__ import annotations

import re

# Slurm's reasons (squeue's manual, JOB REASON CODES; older versions write spaces for the underscores). Waiting never
# helps against a limit on a single job, nor soon enough against a budget of minutes. It does help against a limit on
# the minutes of running jobs.
_NEEDS_ACTION = re.compile(
    r"Held|_held|in_held_state|JobHoldMaxRequeue|Partition(Time|Node)Limit|BadConstraints|NeverSatisfied"
    r"|PerJob|MaxMemPerLimit|MinCpuNotSatisfied|QOSMin|Invalid(Account|QOS)|(QOS|Account)NotAllowed"
    r"|ReservationDeleted|DeadLine|Grp\w*(?<!Run)Minutes"
)

_REMEDIES = {
    "PartitionTimeLimit": "`time` in the profile is longer than the partition allows",
    "PartitionNodeLimit": "the partition has no room for such a job: see its limits with scontrol show partition",
    "JobHeldUser": "scontrol release {job}",
    "JobHeldAdmin": "ask the site",
    "launch_failed_requeued_held": "its node could not start it; scontrol release {job}",
    "job_requeued_in_held_state": "scontrol release {job}",
    "BadConstraints": "no node has what the profile asks for",
}


def needs_action(reason: str) -> bool:
    """Whether a job that waits for this reason will not start unless a user or the site acts."""
    return _NEEDS_ACTION.search(reason.replace(" ", "_")) is not None


def remedy(reason: str, job: str) -> str:
    """What to do about a job that waits for this reason; empty if Slurm's reason is clear enough."""
    return _REMEDIES.get(reason.replace(" ", "_").strip("()"), "").format(job=job)
