"""How a launch ended, for scripts: what was done, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LaunchAction(StrEnum):
    """What a launch did. The values are part of the output of `--json`."""

    RAN = "ran"
    """It trained here until it ended or was stopped."""
    NOTHING_TO_DO = "nothing to do"
    """It found nothing to train."""
    STARTED = "started"
    """It started a driver that is detached from the terminal."""
    SUBMITTED = "submitted"
    """It submitted jobs to Slurm."""
    COULD_NOT_START = "could not begin"
    """The driver that it started ended before its work began."""


@dataclass(frozen=True, kw_only=True)
class LaunchOutcome:
    """What a launch did.

    Args:
        action: what it did.
        exit_code: the command's.
        process: id of the driver's process if it was started detached from the terminal.
        jobs: ids of the jobs that were submitted, the head's first.
    """

    action: LaunchAction
    exit_code: int
    process: int | None = None
    jobs: tuple[str, ...] = ()
