"""Whether the Ray node that the driver is part of is still alive: without it no trial can start or report."""

from __future__ import annotations

import time

import ray

from cluster.ray_nodes.membership import lost_node_ids

CHECK_SECONDS = 5.0


class DriverNode:
    """Asks Ray at most every few seconds. Made within a driver that is connected to Ray."""

    def __init__(self) -> None:
        self._node_id = str(ray.get_runtime_context().get_node_id())
        self._asked_at = time.monotonic()

    def is_lost(self) -> bool:
        """Whether Ray has declared the driver's own node dead."""
        if time.monotonic() - self._asked_at < CHECK_SECONDS:
            return False
        self._asked_at = time.monotonic()
        return self._node_id in lost_node_ids()
