"""What a process is asked to train: one trial of a plan, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.trial.outcome import Outcome

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
    time_limit: float | None = None
    """Seconds after which the trial's process is ended; None = no limit."""


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
    verdict: tuple[Outcome, str] | None = None
    """Outcome and error of an attempt that has ended with its process: it only remains to report them."""

    def to_config(self) -> dict[str, object]:
        """The order as a config of Ray Tune: plain values, with those of `settings` in a mapping."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrialOrder:
        """The order that `to_config` made a config of."""
        return cls(**{**config, "settings": TrialSettings(**config["settings"])})
