"""Which Ray nodes are about to leave: Ray places nothing more there, and deaths there are not the trials' fault."""

from __future__ import annotations

import contextlib
import importlib
import time
from typing import Any

from cluster.ray_nodes.ray_node import JOB_LABEL
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
        import ray

        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray ships few types
        for node in nodes:
            job = node["Labels"].get(JOB_LABEL)
            leaves_by = self._leaves_by(job) if job and node["NodeID"] not in self._marked else None
            if leaves_by is not None:
                self._marked.add(node["NodeID"])
                if node["Alive"]:
                    _drain(node["NodeID"], leaves_by)

    def _leaves_by(self, job: str) -> float | None:
        """When the worker will be gone (seconds since the epoch), if it is leaving."""
        record = self._files.read_worker(job)
        if record is None or record.state not in _LEAVING:
            return None
        return record.ends_at or time.time()


def _drain(node_id: str, deadline: float) -> None:
    """Ask Ray to place nothing on the node any more (what `ray drain-node` does)."""
    import ray

    raylet: Any = importlib.import_module("ray._raylet")  # neither has types
    messages: Any = importlib.import_module("ray.core.generated.autoscaler_pb2")
    client = raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
    reason = messages.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    with contextlib.suppress(ray.exceptions.RayError):  # the node has left before Ray has noticed
        client.drain_node(node_id, reason, "its Slurm job is about to end", int(deadline * 1000))
