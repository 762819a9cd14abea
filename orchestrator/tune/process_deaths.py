"""Deaths of trials' processes: those that count against the trial, and those that do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

import ray

from cluster.ray_nodes.membership import lost_node_ids

FAILED_STARTS = 5
"""This many consecutive processes that end before their trial starts mean that none ever will."""

FAILED_STARTS_SECONDS = 30.0
"""A series shorter than this many seconds means nothing yet: Ray may not know that their node is gone."""

NODE_CHECK_SECONDS = 5.0
"""How often Ray is asked whether the driver's own node lives."""


class Deaths:
    """Counts, for each trial, the deaths on living nodes since its last new checkpoint.

    Ray learns of a node's death seconds after the processes on it are gone, so all of them are judged again
    at each death.

    Args:
        checkpoints: the run's checkpoint directory, one directory per trial in it.
        leaving: ids of nodes that are about to go.
        lost: returns the ids of the nodes that are gone.
    """

    def __init__(
        self,
        checkpoints: Path,
        leaving: Container[str] = frozenset(),
        lost: Callable[[], frozenset[str]] = lost_node_ids,
    ) -> None:
        self._checkpoints = checkpoints
        self._leaving = leaving
        self._lost = lost
        self._nodes: dict[str, tuple[str, list[str | None]]] = {}

    def count(self, trial_id: str, node_id: str | None) -> int:
        """Record a death on `node_id` (None: a node that the process did not know); returns how many count."""
        progress = _newest_checkpoint(self._checkpoints / trial_id)
        before, nodes = self._nodes.get(trial_id, (progress, []))
        nodes = [*nodes, node_id] if progress == before else [node_id]
        self._nodes[trial_id] = (progress, nodes)
        lost = self._lost()
        return sum(node not in lost and node not in self._leaving for node in nodes)

    def forget(self, trial_id: str) -> None:
        """The attempt has ended."""
        self._nodes.pop(trial_id, None)


class FailedStarts:
    """The series of processes that ended before they reported anything: they had touched nothing of a trial.

    A new series starts with every report, and when Ray has lost a node: a node that goes down while eight trials start
    on it proves nothing about the next start.

    Args:
        lost: returns the ids of the nodes that are gone.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, lost: Callable[[], frozenset[str]] = lost_node_ids, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lost = lost
        self._clock = clock
        self._moments: list[float] = []
        self._lost_before: frozenset[str] = frozenset()

    def add(self) -> bool:
        """Record one; returns whether the series means that no process will ever start."""
        lost = self._lost()
        if lost != self._lost_before:
            self._lost_before = lost
            self._moments.clear()
        self._moments.append(self._clock())
        return len(self._moments) >= FAILED_STARTS and self._moments[-1] - self._moments[0] >= FAILED_STARTS_SECONDS

    def end_series(self) -> None:
        """A process has reported: processes can start."""
        self._moments.clear()


class DriverNode:
    """The Ray node that the driver is part of, without which no trial can start or report.

    Asks Ray at most every few seconds. Made within a driver that is connected to Ray.
    """

    def __init__(self) -> None:
        self._node_id = str(ray.get_runtime_context().get_node_id())
        self._asked_at = time.monotonic()

    def is_lost(self) -> bool:
        """Whether Ray has declared the node dead."""
        if time.monotonic() - self._asked_at < NODE_CHECK_SECONDS:
            return False
        self._asked_at = time.monotonic()
        return self._node_id in lost_node_ids()


def _newest_checkpoint(directory: Path) -> str:
    """The name of the trial's newest working checkpoint, empty if there is none."""
    return max((path.name for path in directory.glob("working-*.pt")), default="")


@dataclass(frozen=True, kw_only=True)
class Losses:
    """How the driver learns of lost nodes, and whether a death counts."""

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
