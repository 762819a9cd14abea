"""A run on Slurm, as the records of its jobs and the queue show it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.records import HeadRecord, HeadState, JobRecord, PoolRecord, Role, WorkerRecord, WorkerState
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.follow_run import follow_run
from orchestrator.status.run_status import RunState, RunStatus, run_status
from orchestrator.status.slurm_status import SlurmStatus, slurm_lines
from orchestrator.status.status_text import status_text

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"

HEAD = HeadRecord(state=HeadState.OPEN, job_id="7", host="node1", address="10.0.0.1:6379", written_at=0.0)
WORKER = WorkerRecord(
    job_id="8",
    slurm_job_id="8",
    host="node2",
    node="n2",
    state=WorkerState.JOINED,
    gpus="0,1",
    started_at=0.0,
    beat=1,
    written_at=0,
)
SLURM = SlurmStatus(
    head=HEAD,
    pool=None,
    submitted=tuple(JobRecord(job_id=job, role=Role.WORKER, name="w", submitted_at=0.0) for job in ("8", "9")),
    workers=(WORKER, replace(WORKER, job_id="6", state=WorkerState.ENDED)),
    queue=None,
    waiting=(),
    head_trouble=None,
)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "demo")
    made.create()
    made.freeze(plan_sweep(DEMO), DEMO.read_text(), {})
    files = SlurmFiles(made.slurm)
    files.create()
    write_record(files.head, HEAD)
    write_record(files.worker(WORKER.job_id), WORKER)
    return made


def test_a_launched_run_without_a_driver_waits_until_its_head_closes(run: RunDirectory) -> None:
    status = run_status(run)
    assert (status.state, status.is_under_way) == (RunState.WAITING, True)
    assert "  worker 8 on n2, GPUs 0,1: joined" in status_text(status).splitlines()
    write_record(
        SlurmFiles(run.slurm).head, replace(HEAD, state=HeadState.CLOSED, why="all trials have ended", status=0)
    )
    status = run_status(run)
    assert (status.state, status.is_under_way) == (RunState.NEW, False)
    assert "  Slurm: head closed, job 7 on node1 (all trials have ended)" in status_text(status).splitlines()


def test_the_keys_of_the_json_are_an_interface(run: RunDirectory) -> None:
    slurm = json.loads(json.dumps(run_status(run).to_json()))["slurm"]
    assert set(slurm) == {"head", "pool", "submitted", "workers", "queue", "waiting", "head_trouble"}
    assert {"state", "job_id", "host", "why", "status"} < set(slurm["head"])
    assert {"job_id", "node", "state", "why", "gpus"} < set(slurm["workers"][0])
    assert (slurm["pool"], slurm["queue"], slurm["waiting"]) == (None, None, [])


def test_workers_that_have_not_started_are_named_only_if_the_queue_is_not_known() -> None:
    assert "  workers not started yet: 9" in slurm_lines(SLURM)
    assert not any("not started" in line for line in slurm_lines(replace(SLURM, queue=())))
    assert not any("6" in line for line in slurm_lines(SLURM)), "it has ended"


def test_why_the_pool_submits_no_more_workers_is_shown_with_the_next_attempt() -> None:
    pool = PoolRecord(
        why="the limit of your account", asked_again_at=time.mktime((2026, 1, 1, 14, 5, 0, 0, 0, -1)), written_at=0
    )
    line = "  no more workers are requested: the limit of your account; next attempt at 14:05"
    assert line in slurm_lines(replace(SLURM, pool=pool))


def test_trouble_with_the_head_is_shown_once() -> None:
    lines = list(slurm_lines(replace(SLURM, waiting=("head 7 will not start",), head_trouble="head 7 will not start")))
    assert lines.count("  head 7 will not start") == 1


class FakeQueue:
    """A queue that is never known, with one verdict."""

    def __init__(self, verdict: str | None = None) -> None:
        self._verdict = verdict

    def jobs(self) -> None:
        return None

    def verdict(self) -> str | None:
        return self._verdict


def looks(*statuses: RunStatus) -> Callable[[RunDirectory, Sequence[QueuedJob] | None], RunStatus]:
    """One status for each look."""
    left = list(statuses)
    return lambda _run, _jobs: left.pop(0)


def follow(run: RunDirectory, *statuses: RunStatus, verdict: str | None = None) -> tuple[int, list[str]]:
    """The exit status of following, and what it printed, without the times."""
    said: list[str] = []
    status = follow_run(run, said.append, queue=FakeQueue(verdict), look=looks(*statuses), sleep=lambda _seconds: None)
    return status, said


def test_following_prints_a_line_for_each_change_and_ends_with_the_drivers_exit_status(run: RunDirectory) -> None:
    now = run_status(run)
    closed = replace(
        now, slurm=replace(SLURM, head=replace(HEAD, state=HeadState.CLOSED, why="2 trials failed", status=1))
    )
    exit_status, said = follow(run, now, now, closed)
    assert exit_status == 1
    assert len(said) == 3
    assert said[0].endswith("head open; workers: 1 joined; 0/24 trials ended, 0 failed, 0 running")
    assert said[2] == "ended: 2 trials failed, exit status 1"


def test_following_ends_at_a_silent_driver(run: RunDirectory) -> None:
    exit_status, said = follow(run, replace(run_status(run), silent_seconds=301.0))
    assert exit_status == ExitCode.PROBLEM
    assert said[-1].startswith("the driver has been silent for 301 s")


def test_following_ends_only_once_the_queue_is_sure_that_the_head_is_lost(run: RunDirectory) -> None:
    now = run_status(run)
    lost = replace(now, slurm=replace(SLURM, head_trouble="the head's job 7 is gone"))
    assert follow(run, lost, verdict="the head's job 7 is gone")[0] == ExitCode.PROBLEM
    with pytest.raises(IndexError):  # it looks again
        follow(run, lost, verdict=None)


def test_following_a_run_whose_records_were_removed_says_so(run: RunDirectory) -> None:
    with pytest.raises(EnvironmentProblem, match="no longer holds the record of the head"):
        follow(run, replace(run_status(run), slurm=None))
