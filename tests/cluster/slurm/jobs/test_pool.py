"""The pool's bookkeeping, with a queue and submissions of the tests' own; with a real Slurm in tests/slurm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import cluster.slurm.jobs.pool
import cluster.slurm.jobs.worker_submission
from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.pool import IDLE_BEATS, SILENT_SECONDS, SQUEUE_SECONDS, WorkerPool
from cluster.slurm.jobs.pool_plan import FIRST_PAUSE, STRIKES
from cluster.slurm.jobs.worker_submission import submit_allowed_workers, submit_workers
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.records import Demand, JobRecord, WorkerRecord
from fdt_core.errors import EnvironmentProblem


@dataclass
class Site:
    """A queue that takes what is submitted, and a clock that the test moves."""

    files: SlurmFiles
    monkeypatch: pytest.MonkeyPatch
    now: float = 1000.0
    queue: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    submitted: list[tuple[str, int, frozenset[str]]] = field(default_factory=list)
    refusal: str = ""

    def launch(self, *names: str, **keys: Any) -> None:
        profiles = [replace(load_profile("slurm", keys), name=name) for name in names]
        write_record(self.files.launch, make_launch(self.files.directory.parent, "s", profiles, ["true"]))

    def pool(self) -> WorkerPool:
        self.monkeypatch.setattr(cluster.slurm.jobs.pool, "jobs_in_queue", self._jobs)
        self.monkeypatch.setattr(cluster.slurm.jobs.pool, "submit_allowed_workers", self._submit)
        self.monkeypatch.setattr(
            cluster.slurm.jobs.pool, "cancel_jobs", lambda jobs: [self.queue.pop(job) for job in jobs]
        )
        self.monkeypatch.setattr(cluster.slurm.jobs.pool.time, "monotonic", lambda: self.now)
        return WorkerPool(self.files, head_job="1")

    def look_at_the_queue(self, pool: WorkerPool) -> None:
        self.now += SQUEUE_SECONDS + 1
        pool.look()

    def worker(self, job_id: str, **changes: Any) -> WorkerRecord:
        ids = {"job_id": job_id, "slurm_job_id": job_id, "host": "h", "node": f"n{job_id}"}
        known = {"state": "joined", "started_at": 1.0, "joined_at": 2.0, "beat": 1, "written_at": 0.0}
        record = WorkerRecord(**(ids | known | changes))
        write_record(self.files.worker(job_id), record)
        return record

    def _jobs(self, launch: Any) -> list[QueuedJob]:
        name = launch.name_of("worker")
        return [
            QueuedJob(job_id=job, slurm_job_id=job, name=name, state=state, reason=self.reasons.get(job, ""))
            for job, state in self.queue.items()
        ]

    def _submit(self, files: SlurmFiles, launch: Any, *, count: int, profile: int, avoid: set[str]) -> list[str]:
        if self.refusal:
            raise EnvironmentProblem(self.refusal)
        self.submitted.append((launch.profiles[profile].name, count, frozenset(avoid)))
        jobs = [str(10 * len(self.submitted) + number) for number in range(count)]
        self.queue.update(dict.fromkeys(jobs, "PENDING"))
        return jobs


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    files = SlurmFiles(tmp_path / "slurm")
    files.create()
    write_record(files.demand, Demand(slots=8, per_worker=(4, 4)))
    found = Site(files, monkeypatch)
    found.launch("a", "b", max_workers=1)
    return found


def test_the_queue_is_looked_at_once_a_minute_however_often_the_files_are(site: Site) -> None:
    pool, asked = site.pool(), []
    jobs: Callable[[Any], list[QueuedJob]] = site._jobs
    site.monkeypatch.setattr(
        cluster.slurm.jobs.pool, "jobs_in_queue", lambda launch: asked.append(site.now) or jobs(launch)
    )
    for _ in range(150):
        site.now += 2
        pool.look()
    assert len(asked) == 5
    assert site.submitted == [("a", 1, frozenset()), ("b", 1, frozenset())]


def test_nodes_with_unfit_devices_are_left_out_also_by_the_next_head(site: Site) -> None:
    pool = site.pool()
    site.look_at_the_queue(pool)
    site.worker("10", state="refused", joined_at=None, unfit=True, why="no CUDA")
    site.look_at_the_queue(pool)
    assert site.submitted[-1] == ("a", 1, frozenset({"n10"}))
    site.queue.clear()
    site.look_at_the_queue(site.pool())
    assert site.submitted[-1][2] == {"n10"}


def test_a_worker_whose_heart_stands_still_is_replaced(site: Site) -> None:
    write_record(site.files.demand, Demand(slots=4, per_worker=(4, 4)))
    site.queue["7"] = "RUNNING"
    site.worker("7")
    pool = site.pool()
    site.look_at_the_queue(pool)
    assert site.submitted == []
    site.worker("7", beat=2)
    site.look_at_the_queue(pool)
    assert site.submitted == []
    site.now += SILENT_SECONDS + 1
    pool.look()
    assert [count for _, count, _ in site.submitted] == [1]


def test_workers_of_a_launch_with_other_profiles_do_not_end_the_pool(site: Site) -> None:
    site.launch("b")
    site.files.note_jobs([JobRecord(job_id="7", role="worker", name="w", submitted_at=1.0, profile="gone")])
    site.files.note_jobs([JobRecord(job_id="8", role="worker", name="w", submitted_at=1.0, profile="b")])
    write_record(site.files.demand, Demand(slots=4, per_worker=(4,)))
    site.queue |= {"7": "PENDING", "8": "RUNNING"}
    site.worker("8")
    site.look_at_the_queue(site.pool())
    assert "7" not in site.queue, "one worker is enough, and the waiting one is taken out of the queue"


def test_the_worker_beside_the_head_is_not_retired(site: Site) -> None:
    write_record(site.files.demand, Demand(slots=4, per_worker=(4, 4)))
    site.queue["7"] = "RUNNING"
    for job in ("1", "7"):
        site.worker(job, idle_beats=IDLE_BEATS)
    site.look_at_the_queue(site.pool())
    assert site.files.asked_to_leave("7") is not None
    assert site.files.asked_to_leave("1") is None


def test_what_slurm_says_is_told_until_it_takes_a_job_again(site: Site) -> None:
    pool = site.pool()
    site.refusal = "QOSMaxSubmitJobPerUserLimit"
    site.look_at_the_queue(pool)
    told = site.files.read_pool()
    assert told is not None
    assert "QOSMaxSubmit" in told.why
    site.refusal = ""
    for _ in range(3):
        site.look_at_the_queue(pool)
    told = site.files.read_pool()
    assert told is not None
    assert told.why == ""


def test_workers_that_wait_for_good_count_as_none_and_others_are_asked_for(site: Site) -> None:
    write_record(site.files.demand, Demand(slots=4, per_worker=(4, 4)))
    pool = site.pool()
    site.look_at_the_queue(pool)
    assert site.submitted == [("a", 1, frozenset())]
    site.reasons["10"] = "PartitionTimeLimit"
    site.look_at_the_queue(pool)
    assert list(site.queue) == ["20"], "cancelled, and one of the next profile submitted"
    assert [name for name, _, _ in site.submitted] == ["a", "b"]
    told = site.files.read_pool()
    assert told is not None
    assert told.why.startswith("worker 10 will not start: PartitionTimeLimit: `time` in the profile is longer")
    assert told.asked_again_at is not None


def test_a_worker_that_ended_before_it_could_say_why_is_quoted(site: Site) -> None:
    pool = site.pool()
    for _ in range(STRIKES):
        site.look_at_the_queue(pool)
        for job in site.queue:
            site.files.output(job).write_text("slurmstepd: no such file\nbash: python: not found\n")
        site.queue.clear()
        site.now += FIRST_PAUSE * 8
        site.look_at_the_queue(pool)
    told = site.files.read_pool()
    assert told is not None
    assert "it left the queue without a word: bash: python: not found" in told.why


def _limited(limit: int, taken: list[int]) -> Callable[..., list[str]]:
    def submit(*_: Any, count: int, **__: Any) -> list[str]:
        if sum(taken) + count > limit:
            raise EnvironmentProblem("sbatch refused the worker job: QOSMaxSubmitJobPerUserLimit")
        taken.append(count)
        return [str(number) for number in range(count)]

    return submit


def test_where_slurm_limits_the_jobs_half_as_many_are_asked_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    launch, taken = (
        make_launch(site.files.directory, "s", [load_profile("slurm")], ["true"]),
        [],
    )
    monkeypatch.setattr(cluster.slurm.jobs.worker_submission, "longest_array", lambda: 1000)
    monkeypatch.setattr(cluster.slurm.jobs.worker_submission, "submit_jobs", _limited(3, taken))
    assert len(submit_allowed_workers(site.files, launch, count=8)) == 2
    monkeypatch.setattr(cluster.slurm.jobs.worker_submission, "submit_jobs", _limited(0, taken))
    with pytest.raises(EnvironmentProblem, match="QOSMaxSubmit"):
        submit_allowed_workers(site.files, launch, count=8)


def test_arrays_are_no_longer_than_slurm_allows_and_what_it_took_is_not_forgotten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = make_launch(site.files.directory, "s", [load_profile("slurm")], ["true"])
    monkeypatch.setattr(cluster.slurm.jobs.worker_submission, "longest_array", lambda: 3)
    taken: list[int] = []
    monkeypatch.setattr(cluster.slurm.jobs.worker_submission, "submit_jobs", _limited(100, taken))
    assert len(submit_workers(site.files, launch, count=8)) == 8
    assert taken == [3, 3, 2]
    taken = []
    monkeypatch.setattr(cluster.slurm.jobs.worker_submission, "submit_jobs", _limited(5, taken))
    assert len(submit_workers(site.files, launch, count=8)) == 3
