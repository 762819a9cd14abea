"""What people are told of jobs that wait, and of a head that will not come; Slurm's answers are the test's own."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

import cluster.slurm.queue.queue_monitor
from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.queue.queue_monitor import ASK_SECONDS, QueueMonitor, head_trouble, waiting_lines
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.queue.waiting_reasons import waits_for_good
from cluster.slurm.records import HeadRecord, JobRecord, SlurmLaunch
from tests.cluster.fake_slurm import FakeSlurm


@dataclasses.dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    """A launch whose head is job 71 and whose worker is job 72."""
    files = SlurmFiles(tmp_path / "run" / "slurm")
    files.create()
    made = launch(files)
    write_record(files.launch, made)
    write_record(files.head, HeadRecord(state="expected", written_at=10.0))
    files.note_jobs([JobRecord(job_id="71", role="head", name=made.name_of("head"), submitted_at=11.0)])
    return files


def launch(files: SlurmFiles) -> SlurmLaunch:
    return make_launch(files.directory.parent, "s", [load_profile("slurm", {})], ["true"])


def queued(files: SlurmFiles, state: str = "PENDING", reason: str = "Priority") -> str:
    return f"71|71|{state}|{reason}|{launch(files).name_of('head')}\n"


@pytest.mark.parametrize(
    "reason",
    [
        "PartitionTimeLimit",
        "JobHeldUser",
        "JobHeldAdmin",
        "launch failed requeued held",
        "launch_failed_requeued_held",
        "(job requeued in held state)",
        "BadConstraints",
        "AssocMaxCpuPerJobLimit",
        "QOSMaxWallDurationPerJobLimit",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "QOSNotAllowed",
        "AssocGrpCPUMinutesLimit",
        "QOSGrpBillingMinutes",
    ],
)
def test_reasons_that_do_not_pass_by_themselves(reason: str) -> None:
    assert waits_for_good(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "None",
        "Priority",
        "Resources",
        "Dependency",
        "BeginTime",
        "ReqNodeNotAvail, UnavailableNodes:n[1-3]",
        "QOSMaxJobsPerUserLimit",
        "AssocGrpCpuLimit",
        "AssocGrpCPURunMinutesLimit",
        "Licenses",
        "JobArrayTaskLimit",
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
    ],
)
def test_reasons_that_pass(reason: str) -> None:
    assert not waits_for_good(reason)


def test_jobs_that_wait_for_the_same_reason_share_a_line(files: SlurmFiles) -> None:
    name = launch(files).name_of("worker")
    jobs = [
        QueuedJob(job_id=f"72_{task}", slurm_job_id="72", name=name, state=state, reason=reason)
        for task, (state, reason) in enumerate(
            [("PENDING", "Priority"), ("RUNNING", "None"), ("PENDING", "Priority"), ("PENDING", "PartitionTimeLimit")]
        )
    ]
    assert list(waiting_lines(launch(files), jobs)) == [
        "worker 72_0, 72_2 waits: Priority",
        "worker 72_3 will not start: PartitionTimeLimit: `time` in the profile is longer than the partition allows",
    ]


def test_a_head_that_left_the_queue_is_missed_at_the_second_look(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    clock = Clock()
    watch = QueueMonitor(files, clock)
    fake_slurm.says(queue=queued(files))
    for _ in range(5):
        assert watch.jobs() is not None
    assert len(fake_slurm.calls("squeue")) == 1, "asked rarely"
    fake_slurm.says(queue="")
    files.output("71").write_text("one\nbash: no python here\n")
    for _ in range(2):
        assert watch.verdict() is None
        clock.now += ASK_SECONDS
        watch.jobs()
    verdict = watch.verdict()
    assert verdict is not None
    assert "the head's job 71 has left Slurm's queue without a word" in verdict
    assert verdict.endswith(f"the last lines of {files.output('71')}:\n  one\n  bash: no python here")


def test_a_head_that_waits_for_good_is_as_good_as_none(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    clock = Clock()
    watch = QueueMonitor(files, clock)
    fake_slurm.says(queue=queued(files, reason="JobHeldUser"))
    watch.jobs()
    clock.now += ASK_SECONDS
    watch.jobs()
    assert watch.verdict() == "head 71 will not start: JobHeldUser: scontrol release 71"


def test_nothing_is_said_of_a_head_that_may_come(files: SlurmFiles) -> None:
    head = QueuedJob(job_id="71", slurm_job_id="71", name=launch(files).name_of("head"), state="PENDING", reason="None")
    assert head_trouble(files, [head]) is None
    assert head_trouble(files, []) is not None
    write_record(files.head, HeadRecord(state="expected", written_at=12.0))
    assert head_trouble(files, []) is None, "a launch has just begun, and submits it in a moment"
    write_record(files.head, HeadRecord(state="closed", written_at=12.0))
    assert head_trouble(files, []) is None


def test_nothing_is_known_without_slurm_nor_of_other_peoples_jobs(
    files: SlurmFiles, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.says(down="")
    assert QueueMonitor(files).jobs() is None
    (fake_slurm.folder / "down").unlink()
    assert QueueMonitor(files).jobs() == []
    monkeypatch.setattr(cluster.slurm.queue.queue_monitor.os, "getuid", lambda: files.directory.stat().st_uid + 1)
    assert QueueMonitor(files).jobs() is None
    monkeypatch.undo()
    monkeypatch.setenv("PATH", os.devnull)
    assert QueueMonitor(files).jobs() is None
