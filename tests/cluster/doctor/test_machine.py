"""What doctor finds on this machine, good and bad."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.doctor.findings import Finding, State, worst
from cluster.doctor.machine import clock_finding, device_finding, examine_machine
from cluster.profile.schema import ClusterProfile, load_profile
from tests.cluster.devices.probe_answers import H100, probe


def findings(runs: Path, profile: ClusterProfile) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_machine(profile, runs)}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A scratch directory whose path is short enough for Ray."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as name:
        yield Path(name)


def local(scratch: Path, **keys: object) -> ClusterProfile:
    return load_profile("local", {"device": "cpu", "scratch": str(scratch), **keys})


def test_this_machine_has_no_problem_and_nothing_is_written(tmp_path: Path, scratch: Path) -> None:
    found = findings(tmp_path / "runs", local(scratch))
    assert worst(list(found.values())) != "problem"
    assert found["packages"].state == "ok"
    assert found["device"].found == "the profile asks for none"
    assert not (tmp_path / "runs").exists()
    assert list(tmp_path.iterdir()) == []


def test_stale_directories_are_removed_and_counted(tmp_path: Path, scratch: Path) -> None:
    profile = local(scratch)
    findings(tmp_path, profile)
    (ours,) = scratch.iterdir()
    (ours / "dead" / "session").mkdir(parents=True)
    assert findings(tmp_path, profile)["scratch"].found.endswith("removed 1 stale directories")
    assert list(ours.iterdir()) == []


def test_a_scratch_path_too_long_for_sockets_is_a_problem(tmp_path: Path) -> None:
    found = findings(tmp_path, local(tmp_path))["scratch"]
    assert found.state == "problem"
    assert "Ray's sockets allow 40" in found.found


@pytest.mark.parametrize("open_to_others", ["token", "authority.pem"])
def test_a_secret_that_others_may_read_is_a_problem(tmp_path: Path, scratch: Path, open_to_others: str) -> None:
    secrets = [tmp_path / "study" / "slurm" / name for name in ("token", "authority.pem")]
    secrets[0].parent.mkdir(parents=True)
    for secret in secrets:
        secret.write_text("secret")
        secret.chmod(0o600)
    assert findings(tmp_path, local(scratch))["secrets"].found == "2, all closed to others"
    path = secrets[0].with_name(open_to_others)
    path.chmod(0o644)
    found = findings(tmp_path, local(scratch))["secrets"]
    assert found.state == "problem"
    assert f"chmod 600 {path}" in found.found


def test_an_object_store_larger_than_shared_memory_is_a_problem(tmp_path: Path, scratch: Path) -> None:
    found = findings(tmp_path, local(scratch, object_store_memory="900T"))["shared memory"]
    assert (found.state, bool(found.fix)) == ("problem", True)


def test_an_interface_that_does_not_exist_is_a_problem(tmp_path: Path, scratch: Path) -> None:
    found = findings(tmp_path, local(scratch, network_interface="ib9"))["network"]
    assert found.state == "problem"
    assert "no network interface 'ib9'" in found.found


def test_a_local_runs_directory_is_a_warning_for_slurm(tmp_path: Path, scratch: Path) -> None:
    profile = load_profile("slurm", {"device": "cpu", "scratch": str(scratch)})
    found = findings(tmp_path, profile)["runs directory"]
    assert (found.state, "--submit-test" in found.fix) == ("warning", True)


def test_devices_are_compared_with_torch_and_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    gpus = load_profile("slurm", {"gpus_per_node": 2})
    v100 = H100 | {"name": "Tesla V100", "capability": [7, 0], "fault": "CUDA error: no kernel image is available"}
    found = device_finding(gpus, probe=probe(tmp_path, _0=H100, _1=H100))
    assert (found.state, found.fix) == ("ok", "")
    assert "NVIDIA H100" in found.found
    assert "compute capability 9.0, driver for CUDA 13.0, torch for CUDA 13.0" in found.found
    found = device_finding(gpus, probe=probe(tmp_path, _0=H100, _1=v100))
    assert (found.state, "cu126" in found.fix) == ("warning", True)
    found = device_finding(gpus, probe=probe(tmp_path, _0=v100, _1=v100))
    assert (found.state, found.fix.count("cu126")) == ("problem", 1)


def test_a_device_for_one_process_cannot_be_shared_by_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    command = probe(tmp_path, _0=H100 | {"exclusive": True})
    alone = device_finding(load_profile("slurm", {"gpus_per_node": 1}), probe=command)
    assert (alone.state, "one process at a time" in alone.found) == ("ok", True)
    shared = device_finding(load_profile("slurm", {"gpus_per_node": 1, "trials_per_gpu": 2}), probe=command)
    assert (shared.state, "trials_per_gpu: 1" in shared.fix) == ("problem", True)


def test_a_clock_that_differs_from_the_file_servers_is_a_warning(tmp_path: Path) -> None:
    assert clock_finding(tmp_path).state == State.OK
    found = clock_finding(tmp_path, clock=lambda: time.time() - 3600)
    assert (found.state, found.found.startswith(("3600", "3599"))) == (State.WARNING, True)
    assert list(tmp_path.iterdir()) == []


def test_the_worst_finding_counts() -> None:
    def finding(state: State) -> Finding:
        return Finding(check="clock", state=state, found="")

    assert worst([]) == State.OK
    assert worst([finding(State.WARNING), finding(State.OK)]) == State.WARNING
    assert worst([finding(State.PROBLEM), finding(State.WARNING)]) == State.PROBLEM
