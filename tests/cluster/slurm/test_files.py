from pathlib import Path

import pytest

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, read_launch, write_record
from cluster.slurm.records import HeadRecord, JobRecord, SlurmLaunch, WorkerRecord
from fdt_core.errors import EnvironmentProblem


@pytest.fixture
def files(tmp_path: Path) -> SlurmFiles:
    made = SlurmFiles(tmp_path / "slurm")
    made.create()
    return made


def worker(job_id: str, started_at: float) -> WorkerRecord:
    ids = {"job_id": job_id, "slurm_job_id": job_id, "host": "h", "node": "n"}
    return WorkerRecord(**ids, state="joined", started_at=started_at, beat=1, written_at=0.0)


def test_records_come_back_as_they_were_written(files: SlurmFiles) -> None:
    head = HeadRecord(state="open", job_id="7", address="10.0.0.1:4321", host="n1", written_at=1.5)
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
        write_record(files.worker(job_id), worker(job_id, started_at))
    assert [record.job_id for record in files.read_workers()] == ["10", "8_1", "9"]


def test_the_list_of_jobs_grows_and_a_torn_last_line_is_not_read(files: SlurmFiles) -> None:
    jobs = [JobRecord(job_id=str(number), role="worker", name="w", submitted_at=1.0) for number in range(3)]
    assert files.read_jobs() == []
    files.note_jobs(jobs[:1])
    files.note_jobs(jobs[1:])
    with files.job_log.open("a") as log:
        log.write('{"job_id": "9", "ro')
    assert files.read_jobs() == jobs


def test_directories_are_closed_to_others(files: SlurmFiles) -> None:
    assert [path.stat().st_mode & 0o777 for path in (files.directory, files.jobs, files.workers)] == [0o700] * 3


def test_a_run_that_was_never_launched_on_slurm_says_so(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="never launched on Slurm"):
        read_launch(SlurmFiles(tmp_path))
