"""The elastic pool with real jobs but no head: its workers wait for one, which costs next to nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.records import Demand, Role
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import assert_nothing_left, write_profile
from lab.slurm.waiting import wait_for

pytestmark = pytest.mark.slurm

PREPARE = """
import sys
from pathlib import Path
from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.launch_sweep import make_launch
files = SlurmFiles(Path(sys.argv[1]) / "slurm")
files.create()
write_record(files.launch, make_launch(Path(sys.argv[1]), "pool", [load_profile(sys.argv[2])], ["true"]))
"""


@pytest.fixture
def files(lab: SlurmLab, tmp_path: Path) -> Iterator[SlurmFiles]:
    """A launch of at most three workers, and its pool."""
    profile = write_profile(tmp_path / "lab.yaml", lab)
    lab.run(sys.executable, "-c", PREPARE, tmp_path, profile)
    found = SlurmFiles(tmp_path / "slurm")
    environment = {"SLURM_JOB_ID": "77", "PYTHONUNBUFFERED": "1"}
    command = lab.inside([sys.executable, "-m", "cluster.slurm.jobs.pool", found.directory])
    pool = subprocess.Popen(command, env=lab.environment(environment))
    yield found
    for process in psutil.Process(pool.pid).children(recursive=True):  # nsenter waits for the pool itself
        process.terminate()
    pool.wait()
    lab.run("scancel", "--user=root")
    assert_nothing_left(lab)


def want(files: SlurmFiles, slots: int) -> None:
    write_record(files.demand, Demand(slots=slots, per_worker=(2,)))


def test_the_pool_follows_the_demand_and_reports_why_it_cannot(lab: SlurmLab, files: SlurmFiles) -> None:
    want(files, 4)
    wait_for(lambda: len(lab.live_jobs()) == 2, "two workers for four slots", 60)
    (first, second) = lab.live_jobs()
    wait_for(lambda: files.read_worker(first) is not None, "the first has started", 60)

    lab.run("scancel", first)
    wait_for(lambda: sorted(lab.live_jobs())[0] != first and len(lab.live_jobs()) == 2, "it is replaced", 60)
    assert second in lab.live_jobs()

    lab.run("scontrol", "update", "PartitionName=main", "State=INACTIVE")
    try:
        want(files, 100)
        wait_for(lambda: bool((pool := files.read_pool()) and pool.why), "the pool reports Slurm's refusal", 60)
        pool = files.read_pool()
        assert pool is not None
        assert pool.why.startswith("sbatch refused the worker job: ")
        assert pool.asked_again_at is not None
        assert len(lab.live_jobs()) == 2
    finally:
        lab.run("scontrol", "update", "PartitionName=main", "State=UP")


def test_waiting_workers_leave_the_queue_when_they_are_no_longer_needed(lab: SlurmLab, files: SlurmFiles) -> None:
    lab.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        want(files, 100)
        wait_for(lambda: list(lab.live_jobs().values()) == ["PENDING"] * 3, "as many as the profile allows", 60)
        wait_for(lambda: len(files.read_jobs()) == 3, "they are recorded, which comes after they are in the queue", 60)
        submitted = files.read_jobs()
        assert [job.role for job in submitted] == [Role.WORKER] * 3
        want(files, 1)
        wait_for(lambda: len(lab.live_jobs()) == 1, "one is enough", 60)
        assert json.loads(files.launch.read_text())["job_name"] in submitted[0].name
    finally:
        lab.run("scontrol", "update", "PartitionName=main", "State=UP")
