"""The sbatch scripts, and how submissions are recorded; tests/slurm shows that a real Slurm accepts the scripts."""

from pathlib import Path
from typing import Any

import pytest

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles
from cluster.slurm.jobs.head_job import submit_head
from cluster.slurm.jobs.worker_submission import submit_workers
from cluster.slurm.launch_sweep import make_launch, scripts
from cluster.slurm.records import JobRecord, Role, SlurmLaunch
from fdt_core.errors import EnvironmentProblem
from tests.cluster.fake_slurm import FakeSlurm


def make(tmp_path: Path, **keys: Any) -> SlurmLaunch:
    return make_launch(tmp_path, "study", [load_profile("slurm", keys)], ["python", "-m", "driver"])


def options(script: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_a_worker_requests_what_the_profile_specifies(tmp_path: Path) -> None:
    gpus = {"gpus_per_node": 2, "cpus_per_gpu": 3, "gpu_type": "a100"}
    launch = make(tmp_path, **gpus, mem="64G", time="1-00:00:00", partition="gpu")
    worker = options(scripts(SlurmFiles(tmp_path / "slurm"), launch, workers=5)[Role.WORKER])
    assert worker["gres"] == "gpu:a100:2"
    assert worker["cpus-per-task"] == "6"
    assert (worker["mem"], worker["time"], worker["partition"]) == ("64G", "1440", "gpu")
    assert worker["array"] == "0-4%5"
    assert "no-requeue" in worker


def test_the_head_is_small_has_no_gpu_and_may_be_requeued(tmp_path: Path) -> None:
    launch = make(tmp_path, partition="gpu", mail="me@example.org", **{"head.partition": "cpu", "head.mem": "3G"})
    head = options(scripts(SlurmFiles(tmp_path / "slurm"), launch, workers=5)[Role.HEAD])
    assert (head["partition"], head["mem"], head["cpus-per-task"]) == ("cpu", "3G", "2")
    assert (head["mail-user"], head["mail-type"]) == ("me@example.org", "END,FAIL")
    assert "requeue" in head
    assert not {"gres", "array"} & set(head)


def test_signals_reach_our_process_itself(tmp_path: Path) -> None:
    found = scripts(SlurmFiles(tmp_path / "slurm"), make(tmp_path, drain_seconds=90), workers=1)
    for script in found.values():
        assert options(script)["signal"] == "B:USR2@90"
        assert script.rstrip().splitlines()[-1].startswith("exec ")
    assert "array" not in options(found[Role.WORKER])


def test_the_head_can_share_the_first_workers_job(tmp_path: Path) -> None:
    launch = make(tmp_path, gpus_per_node=1, **{"head.placement": "first_worker"})
    found = scripts(SlurmFiles(tmp_path / "slurm"), launch, workers=3)
    assert options(found[Role.HEAD])["gres"] == "gpu:1"
    assert options(found[Role.HEAD])["mem"] == "32G"
    assert options(found[Role.WORKER])["array"] == "0-1%2"
    assert Role.WORKER not in scripts(SlurmFiles(tmp_path / "slurm"), launch, workers=1)


def test_sbatch_options_of_the_profile_are_passed_through_unchanged(tmp_path: Path) -> None:
    keys = {"sbatch": {"constraint": "a100|h100", "exclusive": True, "reservation": "x y", "hint": False}}
    worker = options(scripts(SlurmFiles(tmp_path / "slurm"), make(tmp_path, **keys), workers=1)[Role.WORKER])
    assert worker["constraint"] == "'a100|h100'"
    assert worker["reservation"] == "'x y'"
    assert worker["exclusive"] == ""
    assert "hint" not in worker


def test_a_passed_option_replaces_the_one_it_names(tmp_path: Path) -> None:
    script = scripts(SlurmFiles(tmp_path / "s"), make(tmp_path, sbatch={"cpus-per-task": 9}), workers=1)[Role.WORKER]
    assert script.count("cpus-per-task") == 1
    assert options(script)["cpus-per-task"] == "9"


def test_an_option_can_be_switched_off_and_replaced_by_another(tmp_path: Path) -> None:
    launch = make(tmp_path, sbatch={"gres": False, "gpus-per-node": 4})
    worker = options(scripts(SlurmFiles(tmp_path / "s"), launch, workers=1)[Role.WORKER])
    assert worker["gpus-per-node"] == "4"
    assert "gres" not in worker


def test_setup_lines_and_the_container_come_before_python(tmp_path: Path) -> None:
    launch = make(tmp_path, setup=["module load cuda"], container="apptainer exec --nv img.sif", python="/opt/py thon")
    lines = scripts(SlurmFiles(tmp_path / "slurm"), launch, workers=1)[Role.WORKER].splitlines()
    python = "exec apptainer exec --nv img.sif '/opt/py thon' -P -u -m fdt_core.start submitit.core._submit"
    command = lines.index(f"{python} {tmp_path / 'slurm/jobs'}")
    assert lines.index("module load cuda") < command


def test_job_names_differ_between_runs_of_the_same_sweep(tmp_path: Path) -> None:
    first, second = make(tmp_path / "a"), make(tmp_path / "b")
    assert first.name_of(Role.HEAD).startswith("fdt-study-")
    assert first.name_of(Role.HEAD) != second.name_of(Role.HEAD)


def test_showing_the_scripts_writes_nothing(tmp_path: Path) -> None:
    scripts(SlurmFiles(tmp_path / "slurm"), make(tmp_path), workers=2)
    assert list(tmp_path.iterdir()) == []


def sweep(tmp_path: Path) -> tuple[SlurmFiles, SlurmLaunch]:
    files = SlurmFiles(tmp_path / "slurm")
    files.create()
    return files, make(tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        "JOB\n",
        "JOB;galaxy\n",
        "This is job 3 of the 50 that you may have\nSubmitted batch job JOB\n",
        "Submitted batch job JOB on cluster other\n",  # squeue lists it, so it can be watched and cancelled
    ],
)
def test_a_submitted_job_is_recorded_whatever_form_the_answer_has(
    tmp_path: Path, fake_slurm: FakeSlurm, answer: str
) -> None:
    fake_slurm.answers(answer=answer)
    files, launch = sweep(tmp_path)
    assert submit_head(files, launch) == ["71"]
    assert submit_workers(files, launch, count=2) == ["72_0", "72_1"]
    assert [job.job_id for job in files.read_jobs()] == ["71", "72_0", "72_1"]
    assert (files.jobs / "72_1_submitted.pkl").exists()


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"answer": "Thank you!\n"}, "sbatch's answer names no job: 'Thank you!'; cancelled what it had submitted: 71"),
        ({"answer": "12\n13\n"}, "names no job: '12\\\\n13'; cancelled what it had submitted: 71"),
        ({"answer": b"f\xfcr Sie\n"}, "cancelled what it had submitted: 71"),
        ({"answer": "", "status": "1", "complaint": "Socket timed out"}, "timed out.*; cancelled .*: 71"),
    ],
)
def test_a_job_that_the_answer_does_not_name_is_found_and_cancelled(
    tmp_path: Path, fake_slurm: FakeSlurm, answers: dict[str, str | bytes], message: str
) -> None:
    files, launch = sweep(tmp_path)
    others = f"5|5|PENDING|None|other\n6|6|RUNNING|None|{launch.name_of(Role.HEAD)}\n"
    files.record_jobs([JobRecord(job_id="6", role=Role.HEAD, name=launch.name_of(Role.HEAD), submitted_at=1.0)])
    fake_slurm.answers(queue=others, **answers)
    with pytest.raises(EnvironmentProblem, match=message):
        submit_head(files, launch)
    assert fake_slurm.queue() == ["5", "6"]
    assert [job.job_id for job in files.read_jobs()] == ["6"]


def test_a_job_on_a_cluster_that_squeue_does_not_list_is_cancelled_there(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    fake_slurm.answers(answer="Submitted batch job JOB on cluster other\n", hidden="")
    files, launch = sweep(tmp_path)
    with pytest.raises(EnvironmentProblem, match=r"put the head job 71 on cluster other, .*: it was cancelled"):
        submit_head(files, launch)
    assert fake_slurm.calls("scancel") == ["--quiet --clusters=other 71"]
    assert files.read_jobs() == []
