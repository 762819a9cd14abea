"""What a driver writes of itself into `status.json`, about once a second, for whoever watches."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime
from typing_extensions import TypedDict


class DriverPlace(TypedDict):
    """Which process the driver is, where it runs, and its generation."""

    pid: int
    host: str
    generation: int


class RunningStatus(TypedDict):
    """A trial that a process works on, as far as it has reported."""

    trial_id: str
    model: str
    template: str
    dataset: str
    seed: int
    epoch: int
    epochs: int
    test_accuracy: float | None
    images_per_second: float | None
    eta_seconds: float | None
    running_seconds: float
    host: str


class DriverStatus(TypedDict):
    """The part of `status.json` that observers read."""

    state: Literal["running", "stopping", "stopped", "ended"]
    driver: DriverPlace
    written_at: AwareDatetime
    running: list[RunningStatus]
