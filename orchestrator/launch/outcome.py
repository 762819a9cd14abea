"""How a launch ended, for scripts: what was done, and the exit code that says how it came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["ran", "nothing to do", "started", "submitted", "could not begin"]
"""What a launch did: it trained here until it ended or was stopped, it found nothing to train, it started a driver
apart from the terminal, it submitted jobs to Slurm, or the driver that it started could not begin."""


@dataclass(frozen=True, kw_only=True)
class LaunchOutcome:
    """What a launch did.

    Args:
        action: what it did.
        exit_code: the command's.
        process: id of the driver's process where it was started apart from the terminal.
        jobs: ids of the jobs that were submitted, the head's first.
    """

    action: Action
    exit_code: int
    process: int | None = None
    jobs: tuple[str, ...] = ()
