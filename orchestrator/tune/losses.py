"""Lost nodes and dead processes, as the driver sees them."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from orchestrator.tune.driver_node import DriverNode
from orchestrator.tune.process_deaths import Deaths, FailedStarts


@dataclass(frozen=True, kw_only=True)
class Losses:
    """How the driver learns of lost nodes, and judges the processes that died."""

    own_node_is_lost: Callable[[], bool]
    deaths: Deaths
    failed_starts: FailedStarts

    @classmethod
    def seen_by_ray(cls, checkpoints: Path, departing: Container[str]) -> Losses:
        """Those of the Ray that this process is connected to."""
        return cls(
            own_node_is_lost=DriverNode().is_lost,
            deaths=Deaths(checkpoints, departing),
            failed_starts=FailedStarts(),
        )
