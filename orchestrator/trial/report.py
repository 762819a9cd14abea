"""What a process reports to the driver: what has happened to its trials since its last report."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.trial.outcome import Outcome

if TYPE_CHECKING:
    from fdt_core.trial.history import EpochRecord, TrainingResult


@dataclass(frozen=True, kw_only=True)
class ProcessLocation:
    """Where a process runs."""

    hostname: str
    pid: int
    node_id: str | None = None
    slurm_job_id: str | None = None
    device_id: str | None = None
    """The device of a process that uses CUDA, as CUDA_VISIBLE_DEVICES names it."""
    device_uuid: str | None = None
    """The same as nvidia-smi names it."""
    device_name: str | None = None
    """The model of its device; None before a trial has been prepared there."""

    @classmethod
    def here(cls, node_id: str | None = None) -> ProcessLocation:
        """This process."""
        return cls(
            hostname=socket.gethostname(),
            pid=os.getpid(),
            node_id=node_id,
            slurm_job_id=os.environ.get("SLURM_JOB_ID"),
        )


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """What is new of a trial: its epochs, and, at its end, how it ended.

    `outcome` is None while the trial continues. `drained` (the state is saved and the process leaves), `busy` (its
    device is in use by another process) and `environment` do not end the attempt.
    """

    trial_id: str
    attempt: int
    place: ProcessLocation
    epochs: tuple[EpochRecord, ...] = ()
    outcome: Outcome | None = None
    error: str | None = None
    ends_process: bool = False
    """Whether no further trial can run in the process."""
    result: TrainingResult | None = None

    def with_earlier(self, earlier: TrialReport) -> TrialReport:
        """This report and the one before it, of the same attempt, as one."""
        known = earlier.epochs[-1].epoch if earlier.epochs else 0
        new = tuple(record for record in self.epochs if record.epoch > known)
        return dataclasses.replace(self, epochs=earlier.epochs + new)


@dataclass(frozen=True, kw_only=True)
class ProcessReport:
    """What a process has done since its last report: first nothing, then its trials in the order in which they ran.

    Only the last of the trials may continue. What else the process had orders for, it has not begun.
    """

    place: ProcessLocation
    trials: tuple[TrialReport, ...] = ()
    durations: Mapping[str, float] = field(default_factory=dict)
    """For each trial that has ended, how many seconds the process worked on it."""
    leaves: bool = False
    """Whether it exits now."""
    actor: object = None
    """In the first report: the handle of Ray by which orders reach the process."""
