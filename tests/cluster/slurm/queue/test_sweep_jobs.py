"""What becomes of a sweep's jobs at its end, with a queue of the test's own; with a real Slurm in tests/slurm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import cluster.slurm.queue.sweep_jobs
from cluster.profile.schema import load_profile
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.queue.sweep_jobs import see_workers_off


def test_who_waits_is_cancelled_at_once_and_who_stays_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = make_launch(tmp_path, "s", [load_profile("slurm", {})], ["true"])
    worker, head = launch.name_of("worker"), launch.name_of("head")
    queue = {
        "1": (head, "RUNNING"),
        "2": (worker, "PENDING"),
        "3": (worker, "RUNNING"),  # leaves by itself
        "4": (worker, "RUNNING"),  # is on a node that crashed
        "5": (worker, "COMPLETING"),
        "6": ("a stranger's", "RUNNING"),
    }
    cancelled: list[tuple[float, tuple[str, ...]]] = []
    now = 0.0

    def jobs(**_: float) -> list[QueuedJob]:
        return [
            QueuedJob(job_id=job, slurm_job_id=job, name=name, state=state, reason="")
            for job, (name, state) in queue.items()
        ]

    def cancel(ids: Sequence[str]) -> None:
        cancelled.append((now, tuple(ids)))
        for job in ids:
            del queue[job]

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        queue.pop("3", None)

    monkeypatch.setattr(cluster.slurm.queue.sweep_jobs, "queued_jobs", jobs)
    monkeypatch.setattr(cluster.slurm.queue.sweep_jobs, "cancel_jobs", cancel)
    monkeypatch.setattr(cluster.slurm.queue.sweep_jobs.time, "monotonic", lambda: now)
    monkeypatch.setattr(cluster.slurm.queue.sweep_jobs.time, "sleep", sleep)
    see_workers_off(launch, patience=10)
    assert [ids for _, ids in cancelled] == [("2",), ("4",)]
    assert [moment for moment, _ in cancelled] == [0.0, 12.0]
    assert set(queue) == {"1", "5", "6"}
