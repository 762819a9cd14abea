"""A local sweep and its devices: those that do not work are left out; one that breaks ends the run with one line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.devices import device_check
from cluster.profile.schema import load_profile
from fdt_core.errors import EnvironmentProblem
from orchestrator.launch.local import LocalDevices
from orchestrator.run.backlog import Progress
from orchestrator.trial.report import ProcessLocation
from tests.cluster.devices.probe_answers import H100, probe
from tests.cluster.devices.test_device_check import ECC

GPUS = load_profile("local", {"device": "cuda", "gpus_per_node": 2})
NOTHING = Progress(done=0, diverged=0, failed=0, held_back=0, total=1)


def place(device: str) -> ProcessLocation:
    return ProcessLocation(hostname="here", pid=1, device_id=device)


def end(devices: LocalDevices) -> str:
    """Why the run ends, once it does; what the driver calls several times a second."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            devices.refuse_broken(NOTHING)
        except EnvironmentProblem as problem:
            return str(problem)
        if devices.watch.is_at_rest():
            return ""
        time.sleep(0.05)
    raise AssertionError("the examination does not end")


@pytest.fixture
def visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")


@pytest.mark.usefixtures("visible")
def test_a_device_that_does_not_work_is_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    devices = LocalDevices.found(GPUS, probe=probe(tmp_path, _0=ECC, _1=H100))
    assert devices.watch.devices.environment() == {"CUDA_VISIBLE_DEVICES": "1"}
    assert capsys.readouterr().err.startswith("left out: CUDA device 0 (NVIDIA H100, GPU-eeee")
    with pytest.raises(EnvironmentProblem, match="no CUDA device can be used"):
        LocalDevices.found(GPUS, probe=probe(tmp_path, _0=ECC, _1=ECC))


@pytest.mark.usefixtures("visible")
def test_only_a_device_that_is_broken_ends_the_run(tmp_path: Path) -> None:
    devices = LocalDevices.found(GPUS, probe=probe(tmp_path, _0=[H100, H100, ECC], _1=[H100, ECC]))
    devices.suspect(place("0"))
    assert end(devices) == "", "the device works: the trial's own fault, or bad luck"
    devices.suspect(place("0"))
    why = end(devices)
    assert why.startswith("CUDA device 0 (NVIDIA H100, GPU-eeee")
    assert why.endswith("uncorrectable ECC error encountered; launch again, and the sweep goes on without it")
    devices.suspect(place("1"))
    assert end(devices).endswith("; no other is left")


def test_the_cpu_is_not_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_check.subprocess, "Popen", None)
    devices = LocalDevices.found(load_profile("local", {"device": "cpu"}))
    devices.suspect(place(""))
    assert end(devices) == ""
