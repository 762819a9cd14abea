"""What is made of Ray's answers about its nodes; `test_ray_node.py` and the Slurm tests ask a real Ray."""

from __future__ import annotations

import importlib

import pytest

from cluster.ray_nodes.membership import RayNode, drain_ray_node, lost_node_ids, ray_nodes

LIVING = {
    "NodeID": "aa",
    "Alive": True,
    "Resources": {"CPU": 6.0, "GPU": 2.0, "memory": 1.0, "node:10.0.0.1": 1.0},
    "Labels": {"ray.io/node-id": "aa", "fdt-job": "71_0"},
}
HEAD = {"NodeID": "bb", "Alive": True, "Resources": {"memory": 1.0}, "Labels": {"ray.io/node-id": "bb"}}
LOST = {"NodeID": "cc", "Alive": False, "Resources": {}, "Labels": {"fdt-job": "72_0"}}


@pytest.fixture(autouse=True)
def ray_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [LIVING, HEAD, LOST])


def test_a_node_has_its_resources_and_its_slurm_job() -> None:
    assert ray_nodes() == (
        RayNode(id="aa", is_alive=True, cpus=6, gpus=2, job="71_0"),
        RayNode(id="bb", is_alive=True, cpus=0, gpus=0, job=None),
        RayNode(id="cc", is_alive=False, cpus=0, gpus=0, job="72_0"),
    )


def test_only_dead_nodes_are_lost() -> None:
    assert lost_node_ids() == {"cc"}


class Gcs:
    """Ray's global control service."""

    def __init__(self, answer: Exception | None) -> None:
        self._answer = answer
        self.requests: list[tuple[str, int, str, int]] = []

    def drain_node(self, node_id: str, reason: int, message: str, deadline: int) -> None:
        self.requests.append((node_id, reason, message, deadline))
        if self._answer is not None:
            raise self._answer


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_node_is_drained_by_a_deadline_in_milliseconds_even_if_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    errors, messages = (
        importlib.import_module(name) for name in ("ray.exceptions", "ray.core.generated.autoscaler_pb2")
    )
    gcs = Gcs(errors.RpcError("no such node") if is_gone else None)
    monkeypatch.setattr("ray.get_runtime_context", lambda: type("Context", (), {"gcs_address": "10.0.0.1:6379"}))
    monkeypatch.setattr("ray._raylet.GcsClient", lambda address: {"10.0.0.1:6379": gcs}[address])
    drain_ray_node("aa", 1234.5, "its Slurm job is about to end")
    preemption = messages.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    assert gcs.requests == [("aa", preemption, "its Slurm job is about to end", 1234500)]
