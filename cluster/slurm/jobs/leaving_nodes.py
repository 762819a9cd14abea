"""Which Ray nodes are about to leave: Ray places nothing more there, and deaths there are not the trials' fault."""

from __future__ import annotations

import time

from cluster.ray_nodes.membership import drain_ray_node, ray_nodes
from cluster.slurm.files import SlurmFiles
from cluster.slurm.records import WorkerState

LOOK_SECONDS = 2.0
_LEAVING = (WorkerState.DRAINING, WorkerState.REJOINING, WorkerState.ENDED)


class LeavingNodes:
    """The nodes of workers that drain, rejoin or have ended. To be used in a process connected to Ray."""

    def __init__(self, files: SlurmFiles) -> None:
        self._files = files
        self._marked: set[str] = set()
        self._looked_at = float("-inf")

    def __contains__(self, node_id: object) -> bool:
        """Whether the node with this id of Ray is leaving or has left."""
        return node_id in self._marked

    def look(self) -> None:
        """Mark nodes that have started to leave as draining in Ray, if it is time to look."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        for node in ray_nodes():
            leaves_by = self._leaves_by(node.job) if node.job and node.id not in self._marked else None
            if leaves_by is not None:
                self._marked.add(node.id)
                if node.is_alive:
                    drain_ray_node(node.id, leaves_by, "its Slurm job is about to end")

    def _leaves_by(self, job: str) -> float | None:
        """When the worker will be gone (seconds since the epoch), if it is leaving."""
        record = self._files.read_worker(job)
        if record is None or record.state not in _LEAVING:
            return None
        return record.ends_at or time.time()
