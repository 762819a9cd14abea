"""What a process is told to train: one trial of a plan, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.trial.outcome import Outcome

if TYPE_CHECKING:
    from fdt_core.training.checkpoint import Keep


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    """All that a process needs to train one trial; plain values, so that they travel as a Ray Tune config."""

    trial_id: str
    spec: str
    attempt: int
    run_directory: str
    data_directory: str
    device: str
    checkpoint_interval: float
    keep: Keep
    dataset_digest: str
    time_limit: float | None = None
    """Seconds after which the process is ended."""
    gpu_share: float | None = None
    """Part of a GPU that the process may use of its memory; None = it has the device to itself."""
    verdict: tuple[Outcome, str] | None = None
    """Set when the attempt has ended with its process: it is only to be reported (the outcome and the error)."""
