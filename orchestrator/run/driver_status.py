"""What a driver writes about itself into `status.json`, about once a second, for observers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import AwareDatetime


@dataclass(frozen=True, kw_only=True)
class DriverPlace:
    """Which process the driver is, where it runs, and its generation."""

    pid: int
    host: str
    generation: int


@dataclass(frozen=True, kw_only=True)
class RunningStatus:
    """A running trial, as far as it has reported."""

    trial_id: str
    model: str
    template: str
    dataset: str
    variant: str = ""
    stage: str = "comparison"
    candidate: str = ""
    seed: int
    epoch: int
    epochs: int
    test_accuracy: float | None
    images_per_second: float | None
    eta_seconds: float | None
    """None until an epoch has been timed."""
    running_seconds: float
    host: str


SHOWN_TRIALS = 50
"""Rewriting 4,000 running trials every second would write a megabyte to a shared file system each time."""

DriverState = Literal["running", "stopping", "stopped", "ended"]


@dataclass(frozen=True, kw_only=True)
class DriverStatus:
    """The part of `status.json` that observers read."""

    state: DriverState
    driver: DriverPlace
    written_at: AwareDatetime
    running: tuple[RunningStatus, ...]
    """The trials that have run longest, at most `SHOWN_TRIALS`."""
    more_running: int = 0
    """How many others run. All of them are in `running.json`, which is rewritten less often."""

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self) | {"written_at": self.written_at.isoformat()}
