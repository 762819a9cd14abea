"""What `local_ray` gives, with a real Ray, and that it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from cluster.machine.network import own_ip_address
from cluster.machine.processes import session_members
from cluster.machine.resources import node_resources, visible_gpus
from cluster.profile.schema import ClusterProfile, load_profile
from cluster.ray_nodes.access_token import ensure_token
from cluster.ray_nodes.certificates import ensure_authority
from cluster.ray_nodes.credentials import Credentials
from cluster.ray_nodes.ray_node import RayHead, head_ray, local_ray, ray_environment
from fdt_core.errors import EnvironmentProblem

CLIENT = "import ray, sys; ray.init(address=sys.argv[1], logging_level='ERROR'); print('let in')"


@pytest.fixture(scope="module")
def profile() -> ClusterProfile:
    return load_profile("local", {"cpus_per_node": 2, "gpus_per_node": 2, "device": "cpu", "mem": "500M"})


@pytest.fixture(scope="module")
def head(profile: ClusterProfile) -> Iterator[RayHead]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", "10.255.255.1:6379")  # another user's Ray, never to be joined
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", "/tmp/torchinductor_somebody")
        with local_ray(profile) as running:
            yield running


def start_client(head: RayHead, token_file: Path | None) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    if token_file is not None:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file)}
    command = [sys.executable, "-c", CLIENT, head.address]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.engine
def test_resources_are_those_of_the_profile(head: RayHead) -> None:
    import ray

    found = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray ships few types
    assert (found["CPU"], found["GPU"]) == (2, 2)
    assert found["memory"] == 400 * 2**20


@pytest.mark.engine
def test_actors_know_their_node_its_drain_flag_and_its_compiler_caches(head: RayHead) -> None:
    import ray

    names = ("FDT_NODE", "FDT_DRAIN_FILE", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_VISIBLE_DEVICES")
    seen = ray.remote(num_gpus=1)(lambda: [os.environ[name] for name in names]).remote()
    node, *paths, device = ray.get(seen)
    assert node == "local"
    assert paths == [str(head.directory / name) for name in ("drain", "inductor", "triton")]
    assert device in ("0", "1")


@pytest.mark.engine
def test_a_client_needs_the_token(head: RayHead, tmp_path: Path) -> None:
    clients = [start_client(head, file) for file in (head.token_file, None, ensure_token(tmp_path / "wrong"))]
    answers = [client.communicate()[0].strip() for client in clients]
    assert answers == ["let in", "", ""]
    assert [client.returncode == 0 for client in clients] == [True, False, False]


@pytest.mark.engine
def test_the_token_is_on_no_command_line_and_in_no_log(head: RayHead) -> None:
    token = head.token_file.read_bytes()
    logs = [path for path in head.directory.rglob("*") if path.is_file() and path != head.token_file]
    command_lines = [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert logs
    assert not [path for path in (*logs, *command_lines) if token in path.read_bytes()]


LOCAL_RAY = """
import subprocess, sys, time
from cluster.profile.schema import load_profile
from cluster.ray_nodes.ray_node import local_ray
class Process(subprocess.Popen):
    def wait(self, timeout=None):
        try:
            return super().wait(timeout)
        except subprocess.TimeoutExpired:
            print("waited in vain for", timeout, "s", flush=True)
            raise

subprocess.Popen = Process
with local_ray(load_profile("local", {"cpus_per_node": 1, "device": "cpu"})) as head:
    import ray
    ray.remote(lambda: sum(range(10**12))).remote()  # a worker that is busy and never asks whether Ray lives
    ray.get(ray.remote(num_cpus=0)(lambda: None).remote())
    print(head.directory, flush=True)
    time.sleep(300) if sys.argv[1] == "stay" else None
"""


@pytest.mark.engine
@pytest.mark.parametrize("end", ["leave", "stay"])
def test_no_process_or_file_of_ray_outlives_its_process(end: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOCAL_RAY, end], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    directory = Path(process.stdout.readline().strip())
    if end == "stay":
        assert len(session_members(process.pid)) > 4
        process.kill()
    assert process.wait() == (-signal.SIGKILL if end == "stay" else 0)
    assert process.stdout.read() == "", "Ray's processes do not end when they are asked to, so none may be waited for"
    for _ in range(100):
        if not session_members(process.pid) and not directory.exists():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert session_members(process.pid) == []
    assert not directory.exists()


def test_the_environment_names_the_token_file_and_inherits_no_variable_of_ray(tmp_path: Path) -> None:
    token_file = ensure_token(tmp_path / "token")
    shell = {
        "PATH": "/bin",
        "RAY_ADDRESS": "x",
        "RAY_AUTH_TOKEN": "secret",
        "RAY_record_ref_creation_sites": "1",
        "RAY_JOB_CONFIG_JSON_ENV_VAR": "{}",
        "RAY_memory_monitor_refresh_ms": "100",
        "RAY_no_such_setting_yet": "1",
        "TUNE_RESULT_DIR": "/nowhere",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    environment = ray_environment(token_file, shell)
    assert environment["PATH"] == "/bin"
    assert environment["RAY_AUTH_TOKEN_PATH"] == str(token_file)
    assert token_file.read_text() not in environment.values()
    assert environment["RAY_memory_monitor_refresh_ms"] == "0", "the node's memory is the neighbours' too"
    assert environment["MPLBACKEND"] == "agg"
    assert {name for name in environment if shell.get(name) == environment[name]} == {"PATH"}
    assert ray_environment(token_file, {}) == {name: value for name, value in environment.items() if name != "PATH"}


@pytest.mark.parametrize(
    ("listed", "count"), [("0,1", 2), ("", 0), ("-1", 0), ("MIG-4f1c", 1), ("GPU-8a56,GPU-9b67", 2)]
)
def test_gpus_are_counted_by_any_kind_of_name(listed: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_gpus() == count


def test_a_slurm_node_offers_what_its_job_asks_for() -> None:
    profile = load_profile("slurm", {"gpus_per_node": 2, "cpus_per_gpu": 3, "mem": "1100M"})
    found = node_resources(profile)
    assert (found.cpus, found.gpus, found.memory) == (6, 2, 1000 * 2**20)


def test_an_unknown_interface_is_refused_with_a_list_of_the_known_ones() -> None:
    with pytest.raises(EnvironmentProblem, match=r"no network interface 'ib7'.*there are: .*lo"):
        own_ip_address("ib7")


@pytest.fixture
def environment_of_ray(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment in which Ray would be started; none is."""
    seen: dict[str, str] = {}
    context = type("Context", (), {"gcs_address": "10.0.0.1:6379"})
    monkeypatch.setattr("ray.init", lambda **_options: seen.update(os.environ))
    monkeypatch.setattr("ray.get_runtime_context", lambda: context)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr("cluster.ray_nodes.ray_node._forget_former_settings", lambda: None)
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "3")
    return seen


def test_a_local_ray_runs_with_the_callers_variables_and_those_of_its_node(
    profile: ClusterProfile, environment_of_ray: dict[str, str]
) -> None:
    with local_ray(profile, variables={"TUNE_GLOBAL_CHECKPOINT_S": "7"}) as head:
        assert environment_of_ray["TUNE_GLOBAL_CHECKPOINT_S"] == os.environ["TUNE_GLOBAL_CHECKPOINT_S"] == "7"
        assert environment_of_ray["FDT_NODE"] == "local"
        assert environment_of_ray["FDT_DRAIN_FILE"] == str(head.directory / "drain")
    assert os.environ["TUNE_GLOBAL_CHECKPOINT_S"] == "3"
    assert "FDT_NODE" not in os.environ


def test_a_head_runs_with_the_callers_variables_and_is_no_node_for_trials(
    profile: ClusterProfile, environment_of_ray: dict[str, str], tmp_path: Path
) -> None:
    token_file = ensure_token(tmp_path / "token")
    credentials = Credentials(token=token_file)
    with head_ray(profile, credentials=credentials, variables={"TUNE_GLOBAL_CHECKPOINT_S": "7"}) as head:
        assert head.address == "10.0.0.1:6379"
    assert environment_of_ray["TUNE_GLOBAL_CHECKPOINT_S"] == "7"
    assert environment_of_ray["RAY_AUTH_TOKEN_PATH"] == str(token_file)
    assert "FDT_DRAIN_FILE" not in environment_of_ray
    assert "RAY_USE_TLS" not in environment_of_ray


def test_a_head_of_a_sweep_with_an_authority_has_a_certificate_as_long_as_its_job(
    environment_of_ray: dict[str, str], tmp_path: Path
) -> None:
    credentials = Credentials(token=ensure_token(tmp_path / "token"), authority=tmp_path / "authority.pem")
    ensure_authority(tmp_path / "authority.pem")
    profile = load_profile("slurm", {"device": "cpu", "gpus_per_node": 0, "time": 60, "head.time": 600})
    with head_ray(profile, credentials=credentials):
        assert environment_of_ray["RAY_USE_TLS"] == os.environ["RAY_USE_TLS"] == "1"
        certificate = Path(environment_of_ray["RAY_TLS_SERVER_CERT"])
        end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()
    assert end == pytest.approx(time.time() + 11 * 3600, abs=60)
    assert not certificate.exists()


def test_without_variables_of_its_caller_ray_takes_none_of_tune_from_the_shell(
    profile: ClusterProfile, environment_of_ray: dict[str, str]
) -> None:
    with local_ray(profile):
        assert "TUNE_GLOBAL_CHECKPOINT_S" not in environment_of_ray
