"""What a process is asked to train: one trial of a plan, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fdt_core.training.checkpoint import Keep


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a run have in common."""

    run_directory: str
    data_directory: str
    device: str
    """cpu or cuda."""
    checkpoint_interval: float
    """Seconds between two working checkpoints."""
    keep: Keep
    checkpoint_bytes_per_second: float = math.inf
    """How much of them each trial may write; the interval of large ones is longer."""
    time_limit: float | None = None
    """Seconds after which the trial's process is ended; None = no limit."""
    first_report: float = 1.0
    """Seconds after which a trial is first reported on; if `report_interval` is shorter, that counts."""
    report_interval: float = 0.0
    """Seconds between two reports of a trial that has run for a while; 0: after every epoch."""


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """All that a process needs to train one trial."""

    settings: TrialSettings
    trial_id: str
    spec: str
    attempt: int
    dataset_digest: str
    until: int | None = None
    """The last epoch to train now, for a candidate of the tuning; None = all."""
    gpu_share: float | None = None
    """Fraction of a GPU's memory that the process may use; None = it has the device to itself."""
