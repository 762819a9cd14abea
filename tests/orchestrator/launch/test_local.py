"""A local sweep and its devices: those that do not work are left out; one that breaks ends the run with one line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.profile.schema import load_profile
from fdt_core.errors import EnvironmentProblem
from lab.sweeps import Place
from orchestrator.launch.local import LocalDevices, drive_here
from orchestrator.launch.outcome import LaunchAction
from orchestrator.launch.prepare import checked, claim_run, new_launch
from orchestrator.run.backlog import Progress
from orchestrator.run.driver_lease import live_owner
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.trial.report import ProcessLocation
from tests.cluster.devices.probe_answers import ECC, H100, probe
from tests.orchestrator.histories import digits, done, write
from tests.orchestrator.tuned_plans import TPE_SWEEP

GPUS = load_profile("local", {"device": "cuda", "gpus_per_node": 2})
NOTHING = Progress(done=0, diverged=0, failed=0, held_back=0, total=1)


def located_on(device: str) -> ProcessLocation:
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
    devices.suspect(located_on("0"))
    assert end(devices) == "", "the device works: the trial's own fault, or bad luck"
    devices.suspect(located_on("0"))
    why = end(devices)
    assert why.startswith("CUDA device 0 (NVIDIA H100, GPU-eeee")
    assert why.endswith("uncorrectable ECC error encountered; launch again to continue without it")
    devices.suspect(located_on("1"))
    assert end(devices).endswith("; no other is left")


def test_the_cpu_is_not_examined(tmp_path: Path) -> None:
    devices = LocalDevices.found(load_profile("local", {"device": "cpu"}), probe=["/no/such/program"])
    devices.suspect(located_on(""))
    assert end(devices) == ""


@pytest.mark.study
def test_where_optuna_is_missing_a_sweep_that_needs_it_ends_before_its_first_training(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be planned elsewhere, as on a login node."""
    profile = load_profile("local", {"device": "cpu"})
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    (place.directory / "tuned.yaml").write_text(TPE_SWEEP)
    launch = checked(new_launch(place.directory / "tuned.yaml", runs_dir=place.run.parent, settings=settings), profile)
    launch.run.create()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'fdt-sweep\[tpe\]'"):
        drive_here(launch, claim_run(launch.run), profile, before_work=launch.freeze)


@pytest.mark.study
def test_a_sweep_with_nothing_left_is_frozen_and_ends_without_ray(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = load_profile("local", {"device": "cpu"})
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    launch = checked(new_launch(place.directory / "small.yaml", runs_dir=place.run.parent, settings=settings), profile)
    launch.run.create()
    write(launch.run, [done(cell, digits(place.data)) for cell in launch.plan.cells])
    monkeypatch.setattr("orchestrator.launch.local.local_ray", None)
    outcome = drive_here(launch, claim_run(launch.run), profile, before_work=launch.freeze)
    assert (outcome.action, outcome.exit_code) == (LaunchAction.NOTHING_TO_DO, 0)
    assert launch.run.plan().cells == launch.plan.cells
    assert live_owner(launch.run.driver) is None
    assert "nothing to do: 4 of 4 trials are done" in capsys.readouterr().err
