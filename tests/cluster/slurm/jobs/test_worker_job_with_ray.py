"""A worker job whose devices fail, with a real Ray: it comes back without them, or leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.devices.device_check import CONTEXT_VARIABLE
from cluster.profile.schema import load_profile
from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.certificates import ensure_authority
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.leaving_nodes import LeavingNodes
from cluster.slurm.jobs.open_head import open_head, publish_head
from cluster.slurm.launch_sweep import make_launch
from cluster.slurm.records import HeadState, WorkerRecord
from lab.sweeps import wait_until
from tests.cluster.devices.probe_answers import ECC, H100, looks, probe

pytestmark = pytest.mark.engine

WORKER = """\
import sys
from cluster.slurm.jobs.worker_job import run_worker
run_worker(sys.argv[1], "site", probe=sys.argv[2:])
"""


@pytest.fixture
def files(tmp_path: Path) -> Iterator[SlurmFiles]:
    """A sweep whose head, in this process, waits for a worker with three devices that two trials each may share."""
    found = SlurmFiles(tmp_path / "slurm")
    found.create()
    ensure_token(found.token)
    ensure_authority(found.authority)
    keys = {"gpus_per_node": 3, "mem": "1G", "cpus_per_node": 3, "trials_per_gpu": 2, "name": "site"}
    launch = make_launch(tmp_path, "sweep", [load_profile("slurm", keys)], ["true"])
    write_record(found.launch, launch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_JOB_ID", "1")
        with open_head(found.directory):
            yield found


def worker(files: SlurmFiles, command: Any) -> subprocess.Popen[bytes]:
    """The worker's job, as Slurm would start it."""
    job = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "node7", "CUDA_VISIBLE_DEVICES": "0,1,2"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | job
    return subprocess.Popen([sys.executable, "-c", WORKER, str(files.directory), *command], env=environment)


def record(files: SlurmFiles) -> WorkerRecord:
    found = files.read_worker("7")
    assert found is not None
    return found


def joined(files: SlurmFiles, gpus: int) -> bool:
    import ray

    return (
        files.read_worker("7") is not None
        and record(files).state == "joined"
        and ray.available_resources().get("GPU", 0) == gpus  # type: ignore[no-untyped-call]  # Ray ships few types
    )


def seen_by_trials(gpus: int) -> list[tuple[str, str]]:
    """What `gpus` processes see that have a device each: its id, and the CUDA context's size from the environment."""
    import ray

    @ray.remote(num_gpus=1, num_cpus=0)
    def device() -> tuple[str, str]:
        import time

        time.sleep(2)  # long enough for all devices to be taken at once
        return os.environ["CUDA_VISIBLE_DEVICES"], os.environ[CONTEXT_VARIABLE]

    return sorted(ray.get([device.remote() for _ in range(gpus)]))


def test_a_worker_comes_back_without_the_device_that_failed_and_leaves_when_none_is_left(
    files: SlurmFiles, tmp_path: Path
) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    good = H100 | {"context": 5 * 2**20}
    command = probe(answers, _0=[good, good, ECC], _1=[good, ECC], _2=[good, ECC])
    leaving = LeavingNodes(files)
    process = worker(files, command)
    try:
        wait_until(lambda: joined(files, 3), 120)
        assert seen_by_trials(3) == [(id_, str(5 * 2**20)) for id_ in "012"]

        files.suspect("7", "0")
        wait_until(lambda: looks(answers).count("0") == 1, 60)
        assert record(files).state == "joined", "the device works: nothing happens"

        files.suspect("7", "1")
        wait_until(lambda: joined(files, 2), 120)
        leaving.look()
        assert [device for device, _ in seen_by_trials(2)] == ["0", "2"]
        assert "left out: CUDA device 1 (NVIDIA H100, GPU-eeee" in record(files).why
        assert record(files).devices == ("NVIDIA H100",) * 2
        assert not record(files).unfit

        files.suspect("7", "")
        process.wait(120)
        assert process.returncode == 3
        assert (record(files).state, record(files).unfit) == ("refused", True)
        assert "CUDA device 0 (NVIDIA H100, GPU-eeee" in record(files).why
        assert looks(answers) == sorted(["0 --context", "1 --context", "2 --context", "0", "1", "0", "2"])
    finally:
        publish_head(files, "1", HeadState.CLOSED)
        process.wait(60)


def test_a_worker_takes_part_with_the_devices_that_work(files: SlurmFiles, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    process = worker(files, probe(answers, _0=H100, _1=ECC, _2=H100))
    try:
        wait_until(lambda: joined(files, 2), 120)
        assert "left out: CUDA device 1" in record(files).why
        publish_head(files, "1", HeadState.CLOSED)
        process.wait(60)
        assert process.returncode == 0
        assert json.loads(files.worker("7").read_text())["state"] == "ended"
    finally:
        process.kill()
        process.wait(60)
