"""What is reported about jobs that wait, and about a head that will not come; Slurm is replaced by a fake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.queue.queue_monitor import ASK_SECONDS, QueueMonitor, head_trouble, waiting_lines
from cluster.slurm.queue.slurm_commands import QueuedJob
from cluster.slurm.queue.waiting_reasons import needs_action
from cluster.slurm.records import HeadRecord, HeadState, JobRecord, Role, SlurmLaunch
from tests.cluster.fake_slurm import FakeSlurm
from tests.cluster.slurm.fakes import FakeClock, FakeQueue, launched


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    """A launch whose head is job 71 and whose worker is job 72."""
    files = SlurmFiles(tmp_path / "run" / "slurm")
    name = launched(files).name_of(Role.HEAD)
    write_record(files.head, HeadRecord(state=HeadState.EXPECTED, written_at=10.0))
    files.record_jobs([JobRecord(job_id="71", role=Role.HEAD, name=name, submitted_at=11.0)])
    return files


@pytest.fixture
def launch(files: SlurmFiles) -> SlurmLaunch:
    return read_launch(files)


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
def test_reasons_that_do_not_go_away_by_themselves(reason: str) -> None:
    assert needs_action(reason)


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
def test_reasons_that_go_away(reason: str) -> None:
    assert not needs_action(reason)


def test_jobs_that_wait_for_the_same_reason_share_a_line(launch: SlurmLaunch) -> None:
    name = launch.name_of(Role.WORKER)
    jobs = [
        QueuedJob(job_id=f"72_{task}", slurm_job_id="72", name=name, state=state, reason=reason)
        for task, (state, reason) in enumerate(
            [("PENDING", "Priority"), ("RUNNING", "None"), ("PENDING", "Priority"), ("PENDING", "PartitionTimeLimit")]
        )
    ]
    assert list(waiting_lines(launch, jobs)) == [
        "worker 72_0, 72_2 waits: Priority",
        "worker 72_3 will not start: PartitionTimeLimit: `time` in the profile is longer than the partition allows",
    ]


def test_a_head_that_left_the_queue_is_missed_at_the_second_look(files: SlurmFiles, launch: SlurmLaunch) -> None:
    clock, queue = FakeClock(), FakeQueue()
    queue.add("71", launch.name_of(Role.HEAD), "PENDING", "Priority")
    monitor = QueueMonitor(files, slurm=queue, clock=clock.now)
    for _ in range(5):
        assert monitor.jobs() is not None
    assert queue.questions == 1, "asked rarely"
    queue.jobs.clear()
    files.output("71").write_text("one\nbash: no python here\n")
    for _ in range(2):
        assert monitor.verdict() is None
        clock.moment += ASK_SECONDS
        monitor.jobs()
    verdict = monitor.verdict()
    assert verdict is not None
    assert "the head's job 71 has left Slurm's queue without a word" in verdict
    assert verdict.endswith(f"the last lines of {files.output('71')}:\n  one\n  bash: no python here")


def test_a_head_that_comes_back_into_the_queue_is_not_missed(files: SlurmFiles, launch: SlurmLaunch) -> None:
    clock, queue = FakeClock(), FakeQueue()
    monitor = QueueMonitor(files, slurm=queue, clock=clock.now)
    for in_queue in (False, True, False):
        queue.jobs.clear()
        if in_queue:
            queue.add("71", launch.name_of(Role.HEAD), "RUNNING")
        monitor.jobs()
        clock.moment += ASK_SECONDS
    assert monitor.verdict() is None


def test_a_head_that_will_not_start_is_as_good_as_none(files: SlurmFiles, launch: SlurmLaunch) -> None:
    clock, queue = FakeClock(), FakeQueue()
    queue.add("71", launch.name_of(Role.HEAD), "PENDING", "JobHeldUser")
    monitor = QueueMonitor(files, slurm=queue, clock=clock.now)
    monitor.jobs()
    clock.moment += ASK_SECONDS
    monitor.jobs()
    assert monitor.verdict() == "head 71 will not start: JobHeldUser: scontrol release 71"


def test_a_head_that_may_come_is_no_trouble(files: SlurmFiles, launch: SlurmLaunch) -> None:
    name = launch.name_of(Role.HEAD)
    head = QueuedJob(job_id="71", slurm_job_id="71", name=name, state="PENDING", reason="None")
    assert head_trouble(files, [head]) is None
    assert head_trouble(files, []) is not None
    write_record(files.head, HeadRecord(state=HeadState.EXPECTED, written_at=12.0))
    assert head_trouble(files, []) is None, "a launch has just started, and is about to submit it"
    write_record(files.head, HeadRecord(state=HeadState.CLOSED, written_at=12.0))
    assert head_trouble(files, []) is None


def test_nothing_is_known_without_slurm_or_about_other_users_jobs(
    files: SlurmFiles, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert QueueMonitor(files, slurm=FakeQueue(down=True)).jobs() is None
    assert QueueMonitor(files, slurm=FakeQueue()).jobs() == []
    owner = files.directory.stat().st_uid
    assert QueueMonitor(files, slurm=FakeQueue(), user=lambda: owner + 1).jobs() is None
    assert QueueMonitor(files).jobs() == [], "by default, the commands of Slurm on the path are asked"
    monkeypatch.setenv("PATH", os.devnull)
    assert QueueMonitor(files).jobs() is None
