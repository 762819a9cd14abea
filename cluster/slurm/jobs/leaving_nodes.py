"""Which Ray nodes are about to leave: Ray places nothing more there, and deaths there are not the trials' fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cluster.ray_nodes.membership import RayNode, drain_ray_node, ray_nodes
from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.files import SlurmFiles

LOOK_SECONDS = 2.0


class LeavingNodes:
    """The nodes of workers that drain, rejoin or have ended. To be used in a process connected to Ray.

    Args:
        files: the files of the sweep's jobs.
        nodes: lists Ray's nodes.
        drain: has Ray drain a node; see `drain_ray_node`.
        clock: decides when to look again.
    """

    def __init__(
        self,
        files: SlurmFiles,
        *,
        nodes: Callable[[], Sequence[RayNode]] = ray_nodes,
        drain: Callable[[str, float, str], None] = drain_ray_node,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._files = files
        self._nodes = nodes
        self._drain = drain
        self._clock = clock
        self._marked: set[str] = set()
        self._looked_at = float("-inf")

    def __contains__(self, node_id: object) -> bool:
        """Whether the node with this id of Ray is leaving or has left."""
        return node_id in self._marked

    def look(self) -> None:
        """Mark nodes that have started to leave as draining in Ray, if it is time to look."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        leavers = self._files.read_leavers()
        for node in self._nodes():
            leaves_by = self._leaves_by(node.job) if node.job in leavers and node.id not in self._marked else None
            if leaves_by is not None:
                self._marked.add(node.id)
                if node.is_alive:
                    self._drain(node.id, leaves_by, "its Slurm job is about to end")

    def _leaves_by(self, job: str) -> float | None:
        """When the worker will be gone (seconds since the epoch), if it is leaving."""
        record = self._files.read_worker(job)
        if record is None or not record.state.leaves:
            return None
        return record.ends_at or self._clock.now()
