"""What doctor finds on this machine, and what it finds wrong."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.doctor import Finding, examine_machine, worst
from cluster.profile import ClusterProfile, load_profile


def findings(runs: Path, profile: ClusterProfile) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_machine(profile, runs)}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A scratch directory whose path is short enough for Ray."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as name:
        yield Path(name)


def local(scratch: Path, **keys: object) -> ClusterProfile:
    return load_profile("local", {"device": "cpu", "scratch": str(scratch), **keys})


def test_this_machine_is_fit(tmp_path: Path, scratch: Path) -> None:
    found = findings(tmp_path / "runs", local(scratch))
    assert worst(list(found.values())) != "problem"
    assert found["packages"].state == "ok"
    assert found["device"].found == "the profile wants none"
    assert not (tmp_path / "runs").exists()
    assert list(tmp_path.iterdir()) == []


def test_stale_directories_are_removed_and_counted(tmp_path: Path, scratch: Path) -> None:
    profile = local(scratch)
    findings(tmp_path, profile)
    (ours,) = scratch.iterdir()
    (ours / "dead" / "session").mkdir(parents=True)
    assert findings(tmp_path, profile)["scratch"].found.endswith("removed 1 stale directories")
    assert list(ours.iterdir()) == []


def test_a_scratch_path_that_is_too_long_for_sockets(tmp_path: Path) -> None:
    found = findings(tmp_path, local(tmp_path))["scratch"]
    assert found.state == "problem"
    assert "Ray's sockets allow 40" in found.found


def test_a_token_that_others_may_read(tmp_path: Path, scratch: Path) -> None:
    token = tmp_path / "study" / "slurm" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    token.chmod(0o644)
    found = findings(tmp_path, local(scratch))["tokens"]
    assert found.state == "problem"
    assert f"chmod 600 {token}" in found.found


def test_an_object_store_larger_than_shared_memory(tmp_path: Path, scratch: Path) -> None:
    found = findings(tmp_path, local(scratch, object_store_memory="900T"))["shared memory"]
    assert (found.state, bool(found.mend)) == ("problem", True)


def test_an_interface_that_does_not_exist(tmp_path: Path, scratch: Path) -> None:
    found = findings(tmp_path, local(scratch, network_interface="ib9"))["network"]
    assert found.state == "problem"
    assert "no network interface 'ib9'" in found.found


def test_runs_on_a_file_system_of_this_machine_alone_are_warned_of_for_slurm(tmp_path: Path, scratch: Path) -> None:
    profile = load_profile("slurm", {"device": "cpu", "scratch": str(scratch)})
    found = findings(tmp_path, profile)["runs directory"]
    assert (found.state, "--submit-test" in found.mend) == ("warning", True)
