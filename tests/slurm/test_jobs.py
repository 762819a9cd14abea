"""Head and worker jobs without a sweep: which nodes and clients are admitted, and which GPUs tasks get."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.certificates import issue_certificate
from cluster.ray_nodes.ray_node import ray_environment
from cluster.slurm.files import SlurmFiles
from cluster.slurm.records import WorkerState
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.slurm_runs import assert_nothing_left, write_profile
from lab.slurm.waiting import wait_for

pytestmark = pytest.mark.slurm

CLIENT = "import ray, sys; ray.init(address=sys.argv[1], logging_level='ERROR'); print('let in')"


@pytest.fixture(scope="module")
def files(lab: SlurmLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmFiles]:
    """A running head and two workers with two GPUs each."""
    directory = tmp_path_factory.mktemp("bare")
    profile = write_profile(directory / "lab.yaml", lab, gpus_per_node=2)
    # What the submitting shell has in its environment must not reach the jobs.
    foreign = {"SLURM_CPU_BIND": "cores", "SBATCH_PARTITION": "nowhere", "SLURM_JOB_ID": "77", "RAY_ADDRESS": "x:1"}
    submit = ["-m", "lab.slurm.bare_sweep", "submit", str(directory), str(profile), "2"]
    lab.run(sys.executable, *submit, environment=foreign)
    found = SlurmFiles(directory / "slurm")
    wait_for(lambda: len(seen_places(found)) == 4, "tasks have run on all four GPUs", 120)
    yield found
    (found.directory / "finish").touch()
    assert_nothing_left(lab)


def seen_places(files: SlurmFiles) -> list[list[str]]:
    try:
        found: list[list[str]] = json.loads((files.directory / "seen.json").read_text())
    except FileNotFoundError:
        return []
    return found


def test_every_task_has_a_gpu_to_itself(lab: SlurmLab, files: SlurmFiles) -> None:
    places = seen_places(files)
    workers = files.read_workers()
    assert {worker.state for worker in workers} == {WorkerState.JOINED}
    expected = [[worker.job_id, worker.node, gpu] for worker in workers for gpu in ("0", "1")]
    assert sorted(places) == sorted(expected)


def test_a_client_needs_the_token_and_a_certificate(lab: SlurmLab, files: SlurmFiles, tmp_path: Path) -> None:
    head = files.read_head()
    assert head is not None
    assert head.address is not None
    own_address = head.address.partition(":")[0]
    certificate = issue_certificate(files.credentials(tls=True), tmp_path, own_address, until=time.time() + 3600)
    assert certificate is not None
    shell = lab.environment()
    environments = [
        ray_environment(files.token, shell, certificate),
        ray_environment(files.token, shell),
        ray_environment(ensure_token(tmp_path / "wrong"), shell, certificate),
        shell | certificate.variables(),
    ]
    command = lab.inside([sys.executable, "-c", CLIENT, head.address])
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    clients = [subprocess.Popen(command, env=each, text=True, stdout=pipe, stderr=null) for each in environments]
    assert [client.communicate()[0].strip() for client in clients] == ["let in", "", "", ""]


def test_the_token_is_on_no_command_line_in_no_environment_and_in_no_log(lab: SlurmLab, files: SlurmFiles) -> None:
    token = files.token.read_text()
    assert files.token.stat().st_mode & 0o777 == 0o600
    for process in lab.processes():
        try:
            assert token not in " ".join(process.cmdline())
            assert token not in process.environ().values()
        except psutil.Error:  # it ended meanwhile
            continue
    written = [path for root in (files.directory, lab.scratch) for path in root.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if path != files.token and token.encode() in path.read_bytes()] == []


def test_keys_are_in_private_files_and_the_authoritys_in_one(lab: SlurmLab, files: SlurmFiles) -> None:
    written = [path for root in (files.directory, lab.scratch) for path in root.rglob("*") if path.is_file()]
    keys = [path for path in written if b"PRIVATE KEY" in path.read_bytes()]
    assert sorted(path.name for path in keys) == ["authority.pem", "node.key", "node.key", "node.key"]
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert len({path.read_bytes() for path in keys}) == 4


def test_temporary_directories_are_closed_to_other_users(lab: SlurmLab, files: SlurmFiles) -> None:
    parents = list(lab.scratch.iterdir())
    assert [oct(parent.stat().st_mode & 0o777) for parent in parents] == ["0o700"]
    assert len(list(parents[0].iterdir())) == 3  # the head's and two workers'


def test_slurm_variables_of_the_shell_do_not_reach_the_jobs(lab: SlurmLab, files: SlurmFiles) -> None:
    submitit = [job for node in lab.node_names for job in lab.batch_processes(node)]
    assert len(submitit) == 3
    for job in submitit:
        environment = job.environ()
        assert "SLURM_CPU_BIND" not in environment
        assert environment["SLURM_JOB_ID"] != "77"
        assert environment["SLURM_CONF"] == str(lab.root / "etc/slurm.conf")


def test_a_worker_with_other_software_is_refused_and_reports_why(lab: SlurmLab, files: SlurmFiles) -> None:
    launch = json.loads(files.launch.read_text())
    other = launch | {"fingerprint": launch["fingerprint"] | {"torch_version": "0.4.1", "code_digest": "beef" * 16}}
    files.launch.write_text(json.dumps(other))
    try:
        refused = _further_worker(lab, files)
    finally:
        files.launch.write_text(json.dumps(launch))
    assert "torch_version is " in refused
    assert "and 0.4.1 there" in refused
    assert "code_digest" in refused


def test_a_worker_without_the_profiles_device_is_refused(lab: SlurmLab, files: SlurmFiles) -> None:
    launch = json.loads(files.launch.read_text())
    profile = launch["profiles"][0] | {"device": "cuda"}
    files.launch.write_text(json.dumps(launch | {"profiles": [profile]}))
    try:
        refused = _further_worker(lab, files)
    finally:
        files.launch.write_text(json.dumps(launch))
    assert "no CUDA device can be used: left out: CUDA device 0: " in refused
    assert "; left out: CUDA device 1: " in refused


def test_a_worker_that_does_not_see_the_prepared_data_is_refused(
    lab: SlurmLab, files: SlurmFiles, tmp_path: Path
) -> None:
    launch = json.loads(files.launch.read_text())
    other = launch | {"data_directory": str(tmp_path), "dataset_digests": {"cifar10": "ab" * 32}}
    files.launch.write_text(json.dumps(other))
    try:
        refused = _further_worker(lab, files)
    finally:
        files.launch.write_text(json.dumps(launch))
    assert f"data set 'cifar10' is not prepared in {tmp_path}" in refused


def _further_worker(lab: SlurmLab, files: SlurmFiles) -> str:
    """Submit one more worker and wait for it to be refused; returns why."""
    code = """
import sys
from pathlib import Path
from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.jobs.worker_submission import submit_workers
files = SlurmFiles(Path(sys.argv[1]))
print(submit_workers(files, read_launch(files), count=1)[0])
"""
    job = lab.run(sys.executable, "-c", code, files.directory).stdout.strip()

    def is_refused() -> bool:
        worker = files.read_worker(job)
        return worker is not None and worker.state == WorkerState.REFUSED

    wait_for(is_refused, "the worker is refused", 60)
    wait_for(lambda: job not in lab.live_jobs(), "the refused job has ended")
    assert lab.jobs()[job] == "FAILED"
    refused = files.read_worker(job)
    assert refused is not None
    return refused.why
