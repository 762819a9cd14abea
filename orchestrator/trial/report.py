"""What a trial's process reports to the driver: one value per step."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
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
    """One step of a trial: the epochs that are new to the driver, and, at its end, how it ended.

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
