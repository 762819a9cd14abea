"""What a launch submits and leaves behind, with fake Slurm commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.launch_sweep import submit_check, submit_sweep
from cluster.slurm.records import HeadState, PoolRecord, Role
from fdt_core.errors import EnvironmentProblem
from tests.cluster.fake_slurm import FakeSlurm
from tests.cluster.slurm.fakes import launched


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    return SlurmFiles(tmp_path / "run" / "slurm")


def head_state(files: SlurmFiles) -> tuple[HeadState, str]:
    head = files.read_head()
    assert head is not None
    return head.state, head.why


def test_a_launch_submits_the_head_and_its_workers(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    launch = launched(files)
    submission = submit_sweep(files, launch, workers=2)
    assert (submission.head, submission.workers) == ("71", ("72_0", "72_1"))
    assert [(job.job_id, job.role) for job in files.read_jobs()] == [
        ("71", Role.HEAD),
        ("72_0", Role.WORKER),
        ("72_1", Role.WORKER),
    ]
    assert read_launch(files) == launch
    assert head_state(files) == (HeadState.EXPECTED, "")
    assert [path.stat().st_mode & 0o777 for path in (files.token, files.authority)] == [0o600] * 2


def test_what_an_earlier_launch_asked_for_is_withdrawn(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    launch = launched(files)
    for request in (files.drain, files.cancel):
        request.touch()
    write_record(files.pool, PoolRecord(why="trouble", written_at=1.0))
    submit_sweep(files, launch, workers=1)
    assert not any(request.exists() for request in (files.drain, files.cancel, files.pool))


def test_without_tls_there_is_no_certificate_authority(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    submit_sweep(files, launched(files, tls=False), workers=1)
    assert files.token.exists()
    assert not files.authority.exists()


def test_the_next_launch_keeps_the_token_and_the_authority(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    submit_sweep(files, launched(files), workers=1)
    secrets = [path.read_bytes() for path in (files.token, files.authority)]
    fake_slurm.answers(queue="")
    submit_sweep(files, launched(files), workers=1)
    assert [path.read_bytes() for path in (files.token, files.authority)] == secrets


def test_a_damaged_authority_is_reported_before_anything_is_submitted(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    files.create()
    files.authority.touch(mode=0o600)
    with pytest.raises(EnvironmentProblem, match=f"{files.authority} is damaged"):
        submit_sweep(files, launched(files), workers=1)
    assert fake_slurm.queue() == []


@pytest.mark.parametrize(("reason", "submitted"), [("Priority", 1), ("PartitionTimeLimit", 2)])
def test_workers_of_an_earlier_launch_count_unless_they_will_not_start(
    files: SlurmFiles, fake_slurm: FakeSlurm, reason: str, submitted: int
) -> None:
    launch = launched(files)
    fake_slurm.answers(queue=f"5|5|PENDING|{reason}|{launch.name_of(Role.WORKER)}\n")
    assert len(submit_sweep(files, launch, workers=2).workers) == submitted


def test_a_head_that_is_also_a_worker_needs_one_worker_less(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    launch = launched(files, gpus_per_node=1, **{"head.placement": "first_worker"})
    assert len(submit_sweep(files, launch, workers=2).workers) == 1
    fake_slurm.answers(queue="")
    assert submit_sweep(files, launch, workers=1).workers == ()


@pytest.mark.parametrize(("refused", "calls"), [("-head", []), ("-worker", ["--quiet 71"])])
def test_a_refusal_leaves_no_job_and_a_closed_head(
    files: SlurmFiles, fake_slurm: FakeSlurm, refused: str, calls: list[str]
) -> None:
    fake_slurm.answers(refused=f"job-name=.*{refused}", complaint="sbatch: error: Invalid account\n")
    with pytest.raises(EnvironmentProblem, match=f"sbatch refused the {refused[1:]} job: Invalid account"):
        submit_sweep(files, launched(files), workers=2)
    assert fake_slurm.queue() == []
    assert fake_slurm.calls("scancel") == calls
    assert head_state(files) == (HeadState.CLOSED, "submission failed")


def test_a_second_launch_changes_nothing(files: SlurmFiles, fake_slurm: FakeSlurm) -> None:
    launch = launched(files)
    submit_sweep(files, launch, workers=1)
    files.cancel.touch()
    with pytest.raises(EnvironmentProblem, match="already launched: its head is job 71"):
        submit_sweep(files, launch, workers=1)
    assert fake_slurm.queue() == ["71", "72"]
    assert files.cancel.exists()


def test_a_check_is_one_job_of_a_workers_size(files: SlurmFiles, fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    launch = launched(files, mem="7G", gpus_per_node=3)
    assert submit_check(files, launch, print, tmp_path) == "71"
    (script,) = files.jobs.glob("*_submission.sh")
    assert "#SBATCH --mem=7G" in script.read_text()
    assert "#SBATCH --gres=gpu:3" in script.read_text()
