import json
from pathlib import Path

import pytest

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.records import HeadRecord, HeadState, JobRecord, Role, SlurmLaunch, WorkerState
from fdt_core.errors import EnvironmentProblem
from fdt_core.files.json_file import DamagedFile
from tests.cluster.slurm.fakes import worker_record


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    made = SlurmFiles(tmp_path / "slurm")
    made.create()
    return made


def test_records_come_back_as_they_were_written(files: SlurmFiles) -> None:
    head = HeadRecord(state=HeadState.OPEN, job_id="7", address="10.0.0.1:4321", tls=True, host="n1", written_at=1.5)
    write_record(files.head, head)
    assert files.read_head() == head
    launch = SlurmLaunch(
        sweep="s",
        job_name="fdt-s",
        profiles=(load_profile("slurm", {"sbatch.constraint": "a100", "head.cpus": 3}),),
        head_command=("python",),
        fingerprint={"ray_version": "2"},
    )
    write_record(files.launch, launch)
    assert read_launch(files) == launch


def test_workers_are_listed_in_the_order_they_started(files: SlurmFiles) -> None:
    for job_id, started_at in (("9", 30.0), ("10", 10.0), ("8_1", 20.0)):
        write_record(files.worker(job_id), worker_record(job_id, started_at=started_at))
    assert [record.job_id for record in files.read_workers()] == ["10", "8_1", "9"]


def test_the_list_of_jobs_grows_and_an_incomplete_last_line_is_skipped(files: SlurmFiles) -> None:
    jobs = [JobRecord(job_id=str(number), role=Role.WORKER, name="w", submitted_at=1.0) for number in range(3)]
    assert files.read_jobs() == []
    files.record_jobs(jobs[:1])
    files.record_jobs(jobs[1:])
    with files.job_log.open("a") as log:
        log.write('{"job_id": "9", "ro')
    assert files.read_jobs() == jobs


def test_directories_are_closed_to_others(files: SlurmFiles) -> None:
    assert [path.stat().st_mode & 0o777 for path in (files.directory, files.jobs, files.workers)] == [0o700] * 3


def test_states_are_plain_words_in_the_files(files: SlurmFiles) -> None:
    write_record(files.head, HeadRecord(state=HeadState.MOVING, written_at=1.0))
    write_record(files.worker("7"), worker_record("7", WorkerState.REJOINING))
    files.record_jobs([JobRecord(job_id="7", role=Role.WORKER, name="w", submitted_at=1.0)])
    found = [json.loads(path.read_text()) for path in (files.head, files.worker("7"), files.job_log)]
    assert [found[0]["state"], found[1]["state"], found[2]["role"]] == ["moving", "rejoining", "worker"]


def test_a_state_that_is_unknown_makes_a_record_damaged(files: SlurmFiles) -> None:
    files.head.write_text('{"state": "asleep", "written_at": 1.0}')
    with pytest.raises(DamagedFile, match=r"head\.json is damaged"):
        files.read_head()


def test_devices_are_reported_as_suspect_only_once(files: SlurmFiles) -> None:
    files.suspect("7", "0")
    files.suspect("7", "")
    assert files.take_suspects("7") == ["0", ""]
    assert files.take_suspects("7") == []


def test_a_run_that_was_never_launched_on_slurm_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="never launched on Slurm"):
        read_launch(SlurmFiles(tmp_path))
