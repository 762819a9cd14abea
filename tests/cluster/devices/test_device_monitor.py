"""A device on which trials fail is examined while the job runs, and left out only if it is broken."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster.devices.device_check import Device, JobDevices
from cluster.devices.device_monitor import DeviceMonitor
from cluster.profile.schema import load_profile
from tests.cluster.devices.probe_answers import BUSY, ECC, H100, looks, probe


def watch(command: Sequence[str], *, ids: str = "0123") -> DeviceMonitor:
    return DeviceMonitor(JobDevices(usable=tuple(Device(id=id_) for id_ in ids)), probe=command)


def look(watch: DeviceMonitor) -> list[str]:
    """The ids of the devices that an examination under way finds broken."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if broken := watch.look():
            return [device.id for device in broken]
        if watch.is_at_rest():
            return []
        time.sleep(0.05)
    raise AssertionError("the examination does not end")


def test_only_the_suspect_is_examined_and_left_out(tmp_path: Path) -> None:
    watched = watch(probe(tmp_path, _2=ECC))
    watched.suspect(["2"])
    assert watched.look() == (), "nobody waits for it"
    assert look(watched) == ["2"]
    assert looks(tmp_path) == ["2"]
    assert [device.id for device in watched.devices.usable] == ["0", "1", "3"]
    assert watched.devices.environment()["CUDA_VISIBLE_DEVICES"] == "0,1,3"
    assert watched.resources(load_profile("slurm", {"gpus_per_node": 4})).gpus == 3
    watched.suspect(["2"])
    assert look(watched) == []
    assert looks(tmp_path) == ["2"], "it is left out already"


@pytest.mark.parametrize("answer", [H100, BUSY])
def test_a_device_that_works_is_kept_though_a_trial_failed_on_it(tmp_path: Path, answer: dict[str, object]) -> None:
    watched = watch(probe(tmp_path, _1=answer))
    watched.suspect(["1"])
    assert look(watched) == []
    assert len(watched.devices.usable) == 4
    assert watched.devices.left_out == ()


def test_all_devices_are_examined_if_the_suspect_is_unknown(tmp_path: Path) -> None:
    watched = watch(probe(tmp_path, _0=H100, _1=ECC, _2=ECC, _3=H100))
    watched.suspect([""])
    assert look(watched) == ["1", "2"]
    assert looks(tmp_path) == ["0", "1", "2", "3"]


def test_a_suspicion_during_an_examination_leads_to_another(tmp_path: Path) -> None:
    watched = watch(probe(tmp_path, _0=[H100, ECC], _1=H100))
    watched.suspect(["0"])
    watched.look()
    watched.suspect(["0", "1"])
    assert look(watched) == ["0"]
    assert looks(tmp_path) == ["0", "0", "1"]


@pytest.mark.process
def test_a_device_that_hangs_is_left_out(tmp_path: Path) -> None:
    devices = JobDevices(usable=(Device(id="3"),))
    watched = DeviceMonitor(devices, probe=probe(tmp_path, _3={"hang": 60}), seconds=2)
    watched.suspect(["3"])
    assert look(watched) == ["3"]


def test_a_job_without_devices_examines_nothing() -> None:
    watched = DeviceMonitor(JobDevices(), probe=("false",))
    watched.suspect(["0"])
    assert look(watched) == []
    profile = load_profile("slurm", {"device": "cpu", "gpus_per_node": 2})
    assert watched.resources(profile).gpus == 2
    assert watched.devices.environment() == {}
