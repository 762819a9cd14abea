"""Which Ray nodes are drained because their workers leave, with a list in place of Ray."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cluster.ray_nodes.membership import RayNode
from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.leaving_nodes import LOOK_SECONDS, LeavingNodes
from cluster.slurm.records import WorkerState
from tests.cluster.slurm.fakes import FakeClock, worker_record


@dataclasses.dataclass
class FakeRay:
    """The nodes `a` of job 7, `b` of job 8, and the head's, which belongs to no worker."""

    nodes: list[RayNode]
    drained: list[tuple[str, float]]

    def drain(self, node_id: str, deadline: float, reason: str) -> None:
        self.drained.append((node_id, deadline))


@pytest.fixture
def ray() -> FakeRay:
    return FakeRay([ray_node("head", None), ray_node("a", "7"), ray_node("b", "8")], [])


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    files = SlurmFiles(tmp_path / "slurm")
    files.create()
    for job in ("7", "8"):
        report(files, job, WorkerState.JOINED)
    return files


def ray_node(id_: str, job: str | None, *, is_alive: bool = True) -> RayNode:
    return RayNode(id=id_, is_alive=is_alive, cpus=1.0, gpus=0.0, job=job)


def report(files: SlurmFiles, job: str, state: WorkerState, ends_at: float | None = 5000.0) -> None:
    files.write_worker(dataclasses.replace(worker_record(job, state), ends_at=ends_at))


def leaving_nodes(files: SlurmFiles, ray: FakeRay, clock: FakeClock) -> LeavingNodes:
    return LeavingNodes(files, nodes=lambda: ray.nodes, drain=ray.drain, clock=clock.clock())


@pytest.mark.parametrize("state", [WorkerState.DRAINING, WorkerState.REJOINING, WorkerState.ENDED])
def test_the_node_of_a_worker_that_leaves_is_drained_once(files: SlurmFiles, ray: FakeRay, state: WorkerState) -> None:
    clock = FakeClock()
    leaving = leaving_nodes(files, ray, clock)
    leaving.look()
    assert ray.drained == []
    report(files, "7", state)
    for _ in range(3):
        clock.moment += LOOK_SECONDS
        leaving.look()
    assert ray.drained == [("a", 5000.0)]
    assert "a" in leaving
    assert "b" not in leaving
    assert "head" not in leaving


def test_files_are_read_only_every_few_seconds(files: SlurmFiles, ray: FakeRay) -> None:
    clock = FakeClock()
    leaving = leaving_nodes(files, ray, clock)
    leaving.look()
    report(files, "7", WorkerState.DRAINING)
    clock.moment += LOOK_SECONDS / 2
    leaving.look()
    assert ray.drained == []


def test_only_the_records_of_workers_that_have_begun_to_leave_are_read(files: SlurmFiles, ray: FakeRay) -> None:
    (files.worker("8")).write_text("damaged: reading it would raise")
    report(files, "7", WorkerState.DRAINING)
    leaving = leaving_nodes(files, ray, FakeClock())
    leaving.look()
    assert "a" in leaving


def test_the_new_node_of_a_worker_that_came_back_is_not_leaving_until_it_leaves_again(
    files: SlurmFiles, ray: FakeRay
) -> None:
    clock = FakeClock()
    leaving = leaving_nodes(files, ray, clock)
    report(files, "7", WorkerState.REJOINING)
    leaving.look()
    report(files, "7", WorkerState.JOINED)
    ray.nodes = [ray_node("a", "7", is_alive=False), ray_node("a again", "7")]
    clock.moment += LOOK_SECONDS
    leaving.look()
    assert ("a" in leaving, "a again" in leaving) == (True, False)
    report(files, "7", WorkerState.DRAINING)
    clock.moment += LOOK_SECONDS
    leaving.look()
    assert "a again" in leaving


def test_a_node_that_is_lost_already_counts_as_leaving_and_is_not_drained(files: SlurmFiles, ray: FakeRay) -> None:
    ray.nodes = [ray_node("a", "7", is_alive=False)]
    report(files, "7", WorkerState.ENDED)
    leaving = leaving_nodes(files, ray, FakeClock())
    leaving.look()
    assert "a" in leaving
    assert ray.drained == []


def test_without_a_known_end_of_its_job_a_node_leaves_now(files: SlurmFiles, ray: FakeRay) -> None:
    report(files, "7", WorkerState.DRAINING, ends_at=None)
    leaving_nodes(files, ray, FakeClock(moment=1234.0)).look()
    assert ray.drained == [("a", 1234.0)]
