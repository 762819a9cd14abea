"""The pool's bookkeeping, with a queue and submissions in memory; with a real Slurm in tests/slurm."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.pool import FIRST_SQUEUE_SECONDS, IDLE_BEATS, SILENT_SECONDS, SQUEUE_SECONDS, WorkerPool
from cluster.slurm.jobs.pool_plan import FIRST_PAUSE, STRIKES
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.records import Demand, JobRecord, PoolRecord, Role, SlurmLaunch, WorkerState
from fdt_core.errors import EnvironmentProblem
from tests.cluster.slurm.fakes import FakeClock, FakeQueue, worker_record

Submission = tuple[str, int, frozenset[str]]
"""Profile, number of workers, nodes to avoid."""


@dataclass
class Site:
    """A sweep's files, a queue that accepts submissions unless there is a `refusal`, and a clock for tests to move."""

    files: SlurmFiles
    clock: FakeClock = field(default_factory=FakeClock)
    queue: FakeQueue = field(default_factory=FakeQueue)
    submitted: list[Submission] = field(default_factory=list)
    refusal: str = ""

    def launch(self, *names: str, **keys: Any) -> None:
        profiles = [replace(load_profile("slurm", keys), name=name) for name in names]
        write_record(self.files.launch, make_launch(self.files.directory.parent, "s", profiles, ["true"]))

    def pool(self) -> WorkerPool:
        clock = self.clock.clock()
        return WorkerPool(self.files, head_job="1", slurm=self.queue, submit=self._submit, clock=clock)

    def look_at_the_queue(self, pool: WorkerPool) -> None:
        self.clock.moment += SQUEUE_SECONDS + 1
        pool.look()

    def want(self, slots: int, *per_worker: int) -> None:
        write_record(self.files.demand, Demand(slots=slots, per_worker=per_worker or (4, 4)))

    def put(self, job_id: str, state: str = "RUNNING", reason: str = "") -> None:
        """Put a worker job into the queue."""
        self.queue.add(
            job_id, make_launch(self.files.directory.parent, "s", [], []).name_of(Role.WORKER), state, reason
        )

    def report(self, job_id: str, state: WorkerState = WorkerState.JOINED, **facts: Any) -> None:
        write_record(self.files.worker(job_id), worker_record(job_id, state, **facts))

    def published(self) -> PoolRecord:
        found = self.files.read_pool()
        assert found is not None
        return found

    def _submit(
        self, files: SlurmFiles, launch: SlurmLaunch, *, count: int, profile: int, avoid: Collection[str]
    ) -> list[str]:
        if self.refusal:
            raise EnvironmentProblem(self.refusal)
        self.submitted.append((launch.profiles[profile].name, count, frozenset(avoid)))
        jobs = [str(10 * len(self.submitted) + number) for number in range(count)]
        for job in jobs:
            self.put(job, "PENDING")
        return jobs


@pytest.fixture
def site(tmp_path: Path) -> Site:
    files = SlurmFiles(tmp_path / "slurm")
    files.create()
    found = Site(files)
    found.want(8)
    found.launch("a", "b", max_workers=1)
    return found


def test_slurm_is_asked_once_a_minute_however_often_the_files_are_read(site: Site) -> None:
    pool = site.pool()
    for _ in range(150):
        site.clock.moment += 2
        pool.look()
    assert site.queue.questions == 5
    assert site.submitted == [("a", 1, frozenset()), ("b", 1, frozenset())]


def test_nothing_is_submitted_before_slurm_has_answered(site: Site) -> None:
    pool = site.pool()
    pool.look()
    site.queue.down = True
    site.clock.moment += FIRST_SQUEUE_SECONDS
    pool.look()
    assert site.submitted == []
    assert site.published().why == "squeue: Unable to contact slurm controller"
    assert site.published().asked_again_at is None
    site.queue.down = False
    site.look_at_the_queue(pool)
    assert [name for name, _, _ in site.submitted] == ["a", "b"]
    assert site.published().why == ""


def test_replacements_avoid_nodes_with_unfit_devices_also_after_a_restart(site: Site) -> None:
    pool = site.pool()
    site.look_at_the_queue(pool)
    site.report("10", WorkerState.REFUSED, joined_at=None, unfit=True, why="no CUDA")
    site.look_at_the_queue(pool)
    assert site.submitted[-1] == ("a", 1, frozenset({"n10"}))
    site.queue.jobs.clear()
    site.look_at_the_queue(site.pool())
    assert site.submitted[-1][2] == {"n10"}


def test_a_worker_whose_heartbeat_has_stopped_is_replaced(site: Site) -> None:
    site.want(4)
    site.put("7")
    site.report("7")
    pool = site.pool()
    site.look_at_the_queue(pool)
    assert site.submitted == []
    site.report("7", beat=2)
    site.look_at_the_queue(pool)
    assert site.submitted == []
    site.clock.moment += SILENT_SECONDS + 1
    pool.look()
    assert [count for _, count, _ in site.submitted] == [1]


@pytest.mark.parametrize("state", [WorkerState.DRAINING, WorkerState.ENDED, WorkerState.REFUSED])
def test_a_worker_that_leaves_is_replaced_at_once(site: Site, state: WorkerState) -> None:
    site.want(4)
    site.put("7")
    site.report("7")
    pool = site.pool()
    site.look_at_the_queue(pool)
    assert site.submitted == []
    site.report("7", state)
    pool.look()
    assert [count for _, count, _ in site.submitted] == [1]


def test_workers_of_a_launch_with_other_profiles_do_not_end_the_pool(site: Site) -> None:
    site.launch("b")
    workers = {"7": "gone", "8": "b"}
    site.files.record_jobs(
        [
            JobRecord(job_id=job, role=Role.WORKER, name="w", submitted_at=1.0, profile=name)
            for job, name in workers.items()
        ]
    )
    site.want(4, 4)
    site.put("7", "PENDING")
    site.put("8")
    site.report("8")
    site.look_at_the_queue(site.pool())
    assert list(site.queue.jobs) == ["8"], "one worker is enough, and the waiting one is taken out of the queue"


def test_the_worker_beside_the_head_is_not_retired(site: Site) -> None:
    site.want(4)
    site.put("7")
    for job in ("1", "7"):
        site.report(job, idle_beats=IDLE_BEATS)
    site.look_at_the_queue(site.pool())
    assert site.files.asked_to_leave("7")
    assert site.files.leave("7").read_text() == "nothing more to do here"
    assert not site.files.asked_to_leave("1")


def test_a_refusal_is_published_until_slurm_accepts_a_job_again(site: Site) -> None:
    pool = site.pool()
    site.refusal = "QOSMaxSubmitJobPerUserLimit"
    site.look_at_the_queue(pool)
    assert "QOSMaxSubmit" in site.published().why
    assert site.published().asked_again_at == site.clock.moment + FIRST_PAUSE
    site.refusal = ""
    for _ in range(3):
        site.look_at_the_queue(pool)
    assert site.published().why == ""


def test_workers_that_will_not_start_are_cancelled_and_another_profile_is_tried(site: Site) -> None:
    site.want(4)
    pool = site.pool()
    site.look_at_the_queue(pool)
    assert site.submitted == [("a", 1, frozenset())]
    site.put("10", "PENDING", "PartitionTimeLimit")
    site.look_at_the_queue(pool)
    assert site.queue.cancelled == ["10"]
    assert list(site.queue.jobs) == ["20"], "one of the next profile is submitted"
    assert [name for name, _, _ in site.submitted] == ["a", "b"]
    assert site.published().why.startswith(
        "worker 10 will not start: PartitionTimeLimit: `time` in the profile is longer"
    )
    assert site.published().asked_again_at is not None


def test_a_refused_worker_that_stays_in_the_queue_counts_once(site: Site) -> None:
    site.want(0)
    site.put("7")
    site.report("7", WorkerState.REFUSED, joined_at=None, why="other software")
    pool = site.pool()
    for _ in range(STRIKES):
        site.look_at_the_queue(pool)
    assert site.files.read_pool() is None, "nothing holds the pool up"


def test_the_output_of_workers_that_end_without_a_record_is_quoted(site: Site) -> None:
    pool = site.pool()
    for _ in range(STRIKES):
        site.look_at_the_queue(pool)
        for job in site.queue.jobs:
            site.files.output(job).write_text("slurmstepd: no such file\nbash: python: not found\n")
        site.queue.jobs.clear()
        site.clock.moment += FIRST_PAUSE * 8
        site.look_at_the_queue(pool)
    assert "it left the queue without a word: bash: python: not found" in site.published().why
