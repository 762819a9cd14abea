"""The nodes of the Ray that this process is connected to: which there are, which are lost, and how one is drained.

Ray is imported inside the functions: it reads its environment when it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from dataclasses import dataclass
from typing import Any

JOB_LABEL = "fdt-job"
"""Label of a Ray node that names its Slurm job."""


@dataclass(frozen=True, kw_only=True)
class RayNode:
    """A node that is or was part of the Ray."""

    id: str
    is_alive: bool
    """Ray declares a dead node lost only seconds after its processes are gone."""
    cpus: float
    """CPUs that the node offers in all, free or not; 0 once it is lost."""
    gpus: float
    job: str | None
    """Id of the node's Slurm job, as squeue shows it; None if the node is not part of one."""


def ray_nodes() -> tuple[RayNode, ...]:
    """All nodes that have joined this Ray since it started, lost ones included."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray ships few types
    return tuple(map(_node, nodes))


def lost_node_ids() -> frozenset[str]:
    """Ids of the nodes that have joined this Ray and are lost."""
    return frozenset(node.id for node in ray_nodes() if not node.is_alive)


def drain_ray_node(node_id: str, deadline: float, reason: str) -> None:
    """Ask Ray to place nothing more on the node, as `ray drain-node` does; returns at once.

    If the node's processes are gone and Ray has not noticed yet, it answers only after some 14 s. Meanwhile a driver
    that waited could give no trial to any node. A node that is lost already is not an error.

    Args:
        node_id: the node's id in Ray.
        deadline: when the node will be gone, in seconds since the epoch.
        reason: for Ray's log.
    """
    threading.Thread(target=_drain, args=(node_id, deadline, reason), daemon=True).start()


def _drain(node_id: str, deadline: float, reason: str) -> None:
    import ray

    raylet: Any = importlib.import_module("ray._raylet")  # neither has types
    messages: Any = importlib.import_module("ray.core.generated.autoscaler_pb2")
    client = raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
    preemption = messages.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    with contextlib.suppress(ray.exceptions.RayError):  # the node has left before Ray has noticed
        client.drain_node(node_id, preemption, reason, int(deadline * 1000))


def _node(reported: dict[str, Any]) -> RayNode:
    resources = reported["Resources"]
    return RayNode(
        id=str(reported["NodeID"]),
        is_alive=bool(reported["Alive"]),
        cpus=float(resources.get("CPU", 0)),
        gpus=float(resources.get("GPU", 0)),
        job=reported["Labels"].get(JOB_LABEL) or None,
    )
