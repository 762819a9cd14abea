"""What happens to a sweep's jobs at its end, with a queue in memory; with a real Slurm in tests/slurm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.queue.sweep_jobs import (
    cancel_sweep,
    check_not_launched,
    end_workers,
    job_is_live,
    jobs_in_queue,
)
from cluster.slurm.records import HeadRecord, HeadState, Role, SlurmLaunch
from fdt_core.errors import EnvironmentProblem
from tests.cluster.slurm.fakes import FakeClock, FakeQueue, launched


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    return SlurmFiles(tmp_path / "run" / "slurm")


@pytest.fixture
def launch(files: SlurmFiles) -> SlurmLaunch:
    return launched(files, notice_seconds=10)


@pytest.fixture
def queue(launch: SlurmLaunch) -> FakeQueue:
    """A head, three workers, and another sweep's job."""
    queue = FakeQueue()
    queue.add("1", launch.name_of(Role.HEAD), "RUNNING")
    queue.add("2", launch.name_of(Role.WORKER), "PENDING")
    queue.add("3", launch.name_of(Role.WORKER), "RUNNING")
    queue.add("4", launch.name_of(Role.WORKER), "RUNNING")
    queue.add("5", launch.name_of(Role.WORKER), "COMPLETING")
    queue.add("6", "another sweep's", "RUNNING")
    return queue


def remove(queue: FakeQueue, *job_ids: str) -> None:
    """The jobs leave by themselves."""
    for job_id in job_ids:
        queue.jobs.pop(job_id, None)


def test_waiting_workers_are_cancelled_at_once_and_those_that_stay_after_a_while(
    launch: SlurmLaunch, queue: FakeQueue
) -> None:
    clock = FakeClock(moment=0.0, on_sleep=lambda: remove(queue, "3"))
    end_workers(launch, patience=10, slurm=queue, clock=clock.clock())
    assert queue.cancelled == ["2", "4"], "3 has left by itself"
    assert clock.moment == 12.0, "4, on a node that has crashed, got 10 s"
    assert set(queue.jobs) == {"1", "5", "6"}


def test_only_jobs_of_this_sweep_are_found(launch: SlurmLaunch, queue: FakeQueue) -> None:
    assert [job.job_id for job in jobs_in_queue(launch, slurm=queue)] == ["1", "2", "3", "4", "5"]


def test_cancel_asks_by_file_and_waits_for_the_jobs_to_leave(
    files: SlurmFiles, launch: SlurmLaunch, queue: FakeQueue
) -> None:
    write_record(files.head, HeadRecord(state=HeadState.OPEN, job_id="1", written_at=1.0))

    def leave_when_asked() -> None:
        assert files.cancel.exists()
        remove(queue, *"1345")

    said: list[str] = []
    clock = FakeClock(on_sleep=leave_when_asked)
    cancelled = cancel_sweep(files, say=said.append, slurm=queue, clock=clock.clock())
    assert cancelled == ["1", "2", "3", "4", "5"]
    assert queue.cancelled == ["2"], "only the waiting job needs scancel"
    assert said == ["asked 5 jobs to save and leave: 1, 2, 3, 4, 5"]
    assert json.loads(files.head.read_text()) | {"written_at": 0} == {
        **{"state": "closed", "job_id": "1", "address": None, "tls": False, "host": None},
        **{"why": "cancelled", "status": 75, "written_at": 0},
    }


def test_cancel_ends_jobs_that_do_not_leave(files: SlurmFiles, launch: SlurmLaunch, queue: FakeQueue) -> None:
    said: list[str] = []
    clock = FakeClock(moment=0.0)
    cancel_sweep(files, say=said.append, slurm=queue, clock=clock.clock())
    assert queue.cancelled == ["2", "1", "3", "4", "5"]
    assert clock.moment == 40.0, "the notice of the profile, and time to end in order"
    assert said[1] == "cancelling 1, 3, 4, 5, which did not leave within 40 s"
    assert set(queue.jobs) == {"6"}


def test_cancel_reports_jobs_that_even_scancel_does_not_end(
    files: SlurmFiles, launch: SlurmLaunch, queue: FakeQueue
) -> None:
    class Stuck(FakeQueue):
        def cancel_jobs(self, job_ids: object) -> None:
            """Slurm accepts the command, and nothing happens."""

    stuck = Stuck(jobs=queue.jobs)
    with pytest.raises(EnvironmentProblem, match="still in the queue: 1, 2, 3, 4, 5; look at them with squeue"):
        cancel_sweep(files, slurm=stuck, clock=FakeClock().clock())


def test_cancel_without_slurm_leaves_the_request_by_file(
    files: SlurmFiles, launch: SlurmLaunch, queue: FakeQueue
) -> None:
    queue.down = True
    with pytest.raises(EnvironmentProblem, match="running jobs are asked by file to save and leave, but waiting ones"):
        cancel_sweep(files, slurm=queue, clock=FakeClock().clock())
    assert files.cancel.exists()


def test_a_head_in_the_queue_forbids_another_launch(files: SlurmFiles, launch: SlurmLaunch, queue: FakeQueue) -> None:
    with pytest.raises(EnvironmentProblem, match=r"already launched: its head is job 1 \(running\)$"):
        check_not_launched(files, slurm=queue)
    queue.add("1", launch.name_of(Role.HEAD), "PENDING", "JobHeldUser")
    with pytest.raises(
        EnvironmentProblem, match=r"\(pending: JobHeldUser\); it will not start by itself: fdt-sweep canc"
    ):
        check_not_launched(files, slurm=queue)
    del queue.jobs["1"]
    check_not_launched(files, slurm=queue)


def test_a_job_is_found_by_either_of_its_ids_and_unknown_without_slurm(queue: FakeQueue) -> None:
    assert job_is_live("3", slurm=queue) is True
    assert job_is_live("9", slurm=queue) is False
    queue.down = True
    assert job_is_live("3", slurm=queue) is None
