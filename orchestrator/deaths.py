"""Deaths of trials' processes: which count against the trial, and which were its node's fault."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import ray


class Deaths:
    """Counts, for each trial, the deaths on living nodes since its last new checkpoint.

    Ray learns of a node's death seconds after the processes on it are gone, so which deaths count is judged anew at
    each of them.

    Args:
        checkpoints: the run's checkpoint directory, one directory per trial in it.
        leaving: ids of nodes that are about to go.
    """

    def __init__(self, checkpoints: Path, leaving: Container[str] = frozenset()) -> None:
        self._checkpoints = checkpoints
        self._leaving = leaving
        self._nodes: dict[str, tuple[str, list[str | None]]] = {}

    def count(self, trial_id: str, node_id: str | None) -> int:
        """Take note of one more death on `node_id` (None: before it had reported); returns those that count."""
        progress = _newest_checkpoint(self._checkpoints / trial_id)
        before, nodes = self._nodes.get(trial_id, (progress, []))
        nodes = [*nodes, node_id] if progress == before else [node_id]
        self._nodes[trial_id] = (progress, nodes)
        known = ray.nodes()  # type: ignore[no-untyped-call]  # Ray ships few types
        lost = {str(node["NodeID"]) for node in known if not node["Alive"]}
        return sum(node not in lost and node not in self._leaving for node in nodes)

    def forget(self, trial_id: str) -> None:
        """The attempt has ended."""
        self._nodes.pop(trial_id, None)


def _newest_checkpoint(directory: Path) -> str:
    """The name of the trial's newest working checkpoint, empty where there is none."""
    return max((path.name for path in directory.glob("working-*.pt")), default="")
