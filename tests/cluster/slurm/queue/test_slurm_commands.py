import os
from pathlib import Path

import pytest

from cluster.slurm.queue.slurm_commands import (
    QueuedJob,
    accepts_script,
    clean_environment,
    longest_array,
    partitions,
    queued_jobs,
    seconds_left,
    slurm_version,
)
from fdt_core.errors import EnvironmentProblem
from tests.cluster.fake_slurm import FakeSlurm


def test_variables_of_other_jobs_and_habits_are_removed_but_the_cluster_stays() -> None:
    foreign = {
        "SLURM_JOB_ID": "7",
        "SBATCH_PARTITION": "x",
        "SQUEUE_STATES": "x",
        "SRUN_CPU_BIND": "x",
        "SUBMITIT_X": "",
    }
    kept = {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin", "MY_SLURM_NOTE": "y"}
    assert clean_environment(foreign | kept) == kept


def put_squeue(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_slurms_complaint_is_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_squeue(tmp_path, "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", monkeypatch)
    with pytest.raises(EnvironmentProblem, match="squeue: slurm_load_jobs error: Unable to contact slurm controller"):
        queued_jobs()


def test_a_machine_without_slurm_is_reported_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no Slurm on this machine: the command 'squeue' is missing"):
        queued_jobs()


def test_jobs_are_read_despite_strange_job_names_and_banners(fake_slurm: FakeSlurm) -> None:
    fake_slurm.answers(
        notice="Maintenance on 2026-12-01 | please read\n*** 3|jobs|HELD|x|y ***\n\n",
        queue=b"1|1|RUNNING|None|f\xfcr\n"
        b"2|2|PENDING|Priority|a\nsecond line|of its name\n"
        b"3_7|5|PENDING|Resources|with|bars\n"
        b"3_[8-9%2]|3|PENDING|JobArrayTaskLimit|\n"
        b"46|47|RUNNING|None|two halves\n"
        b"4|4|RUNN",
    )
    assert queued_jobs() == [
        QueuedJob(job_id="1", slurm_job_id="1", state="RUNNING", reason="None", name="f\ufffdr"),
        QueuedJob(job_id="2", slurm_job_id="2", state="PENDING", reason="Priority", name="a"),
        QueuedJob(job_id="3_7", slurm_job_id="5", state="PENDING", reason="Resources", name="with|bars"),
        QueuedJob(job_id="3_[8-9%2]", slurm_job_id="3", state="PENDING", reason="JobArrayTaskLimit", name=""),
    ]


def test_the_query_names_the_user_by_number(fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.setenv("USER", "somebody")
    queued_jobs()
    assert f"--user={os.getuid()}" in fake_slurm.calls("squeue")[0].split()


def test_banners_before_other_answers_are_ignored(fake_slurm: FakeSlurm) -> None:
    banner = "Welcome to the Big Supercomputer\n----\n"
    fake_slurm.answers(
        left=f"{banner}1-02:00:00\n",
        config=f"{banner}MaxArraySize            = 12\n",
        partitions=f"{banner}gpu\ncpu\n",
        version=f"{banner}slurm 23.11.4\n",
        test_only=f"{banner}sbatch: Job 7 to start at 2030-01-01T00:00:00\nbye\n",
    )
    assert seconds_left("7") == 26 * 3600
    assert longest_array() == 12
    assert set(partitions()) >= {"cpu", "gpu"}
    assert not any(" " in name for name in partitions())
    assert slurm_version() == "slurm 23.11.4"
    assert accepts_script("#!/bin/sh\n") == "Job 7 to start at 2030-01-01T00:00:00"
    fake_slurm.answers(left="UNLIMITED\n", config="MaxArraySize = n/a\n")
    assert seconds_left("7") is None
    assert longest_array() == 1000


def test_a_command_that_cannot_be_started_is_a_problem_of_the_machine(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(fake_slurm.folder))  # or an installed squeue would be found next
    (fake_slurm.folder / "squeue").write_bytes(b"\x7fELF")
    with pytest.raises(EnvironmentProblem, match="squeue cannot be started: Exec format error"):
        queued_jobs()
