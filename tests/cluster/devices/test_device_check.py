"""How a job treats devices that are missing, broken or in use: a separate process examines each."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.devices.device_check import (
    USUAL_CONTEXT_BYTES,
    DeviceMissing,
    JobDevices,
    context_bytes,
    devices_of,
    visible_ids,
)
from cluster.profile.schema import ClusterProfile, load_profile
from tests.cluster.devices.probe_answers import BUSY, ECC, H100, looks, probe

FULL = H100 | {"free": 50 * 2**30}


def profile(**keys: Any) -> ClusterProfile:
    return load_profile("slurm", {"gpus_per_node": 1, **keys})


def ids(devices: JobDevices) -> list[str]:
    return [device.id for device in devices.usable]


class Sleeps:
    """Records how long it was asked to wait, and returns at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def check(
    monkeypatch: pytest.MonkeyPatch, command: Sequence[str], visible: str, sleep: Sleeps | None = None, **keys: Any
) -> JobDevices:
    """The devices of a job that sees the `visible` ones; `keys` are the profile's."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return devices_of(profile(**keys), probe=command, sleep=sleep or Sleeps())


def test_a_profile_of_the_cpu_needs_no_device() -> None:
    assert devices_of(load_profile("slurm", {"device": "cpu"})) == JobDevices()


def test_a_job_with_too_few_devices_is_refused_and_never_uses_the_cpu_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceMissing, match="the profile asks for 3 CUDA devices, the job has 0"):
        check(monkeypatch, (), "", gpus_per_node=3)
    with pytest.raises(DeviceMissing, match="the profile asks for 3 CUDA devices, the job has 2"):
        check(monkeypatch, (), "4,7", gpus_per_node=3)


@pytest.mark.process
def test_devices_that_the_real_probe_does_not_find_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(DeviceMissing, match=r"no CUDA device can be used: left out: CUDA device 7: \w+"):
        devices_of(profile(), seconds=60, sleep=Sleeps())


@pytest.mark.parametrize("visible", ["0,1,2", "MIG-aa,MIG-bb,MIG-cc", "GPU-aa, GPU-bb, GPU-cc"])
def test_each_device_is_examined_by_a_process_that_sees_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    names = [name.strip() for name in visible.split(",")]
    command = probe(tmp_path, **{f"_{name}": H100 for name in names})
    devices = check(monkeypatch, command, visible, gpus_per_node=3)
    assert ids(devices) == names
    assert looks(tmp_path) == names
    assert devices.environment() == {"CUDA_VISIBLE_DEVICES": ",".join(names)}
    assert devices.usable[0].uuid == ("MIG" if "MIG" in visible else "GPU") + "-a1b2c3d4-a1b2-c3d4-a1b2-c3d4a1b2c3d4"


def test_one_bad_device_of_eight_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = probe(tmp_path, **{f"_{number}": ECC if number == 5 else H100 for number in range(8)})
    devices = check(monkeypatch, command, "0,1,2,3,4,5,6,7", gpus_per_node=8)
    assert ids(devices) == ["0", "1", "2", "3", "4", "6", "7"]
    assert devices.faults() == (
        "left out: CUDA device 5 (NVIDIA H100, GPU-eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee): "
        "CUDA error: uncorrectable ECC error encountered"
    )
    assert looks(tmp_path) == list("01234567"), "a broken device is not examined again"


def test_a_job_without_a_working_device_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = probe(tmp_path, _0=ECC, _1={"complaint": 'Traceback\n  File "x", line 1\nRuntimeError: no driver'})
    with pytest.raises(
        DeviceMissing, match=r"ECC error encountered; left out: CUDA device 1: CUDA does not work: RuntimeE"
    ):
        check(monkeypatch, command, "0,1", gpus_per_node=2)


def test_a_job_waits_for_memory_that_a_dying_neighbour_frees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = Sleeps()
    command = probe(tmp_path, _0=H100, _1=[FULL, FULL, H100])
    assert ids(check(monkeypatch, command, "0,1", sleeps, gpus_per_node=2)) == ["0", "1"]
    assert sleeps.seconds == [10.0, 10.0]
    assert looks(tmp_path) == ["0", "1", "1", "1"], "only the one in use is examined again"


@pytest.mark.parametrize(("answer", "why"), [(FULL, r"30.0 of 80.0 GiB are in use before any"), (BUSY, "busy or unav")])
def test_a_device_that_stays_in_use_is_left_out_after_three_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], why: str
) -> None:
    sleeps = Sleeps()
    with pytest.raises(DeviceMissing, match=why):
        check(monkeypatch, probe(tmp_path, _0=answer), "0", sleeps)
    assert (looks(tmp_path), sleeps.seconds) == (["0"] * 3, [10.0, 10.0])


def test_on_one_machine_users_may_use_the_memory_of_their_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    command = probe(tmp_path, _0=FULL)
    assert ids(devices_of(profile(), in_use=1.0, probe=command)) == ["0"]
    assert looks(tmp_path) == ["0"]


@pytest.mark.process
def test_devices_that_do_not_answer_are_left_out_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    command = probe(tmp_path, _0={"hang": 60}, _1={"hang": 60}, _2=H100)
    started = time.monotonic()
    devices = devices_of(profile(gpus_per_node=3), probe=command, seconds=3, sleep=Sleeps())
    assert time.monotonic() - started < 20
    assert ids(devices) == ["2"]
    assert [device.fault for device in devices.left_out] == ["CUDA did not answer within 3 s"] * 2


def test_a_terminated_probe_is_repeated_but_a_crashed_one_means_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = {"signal": signal.SIGTERM}
    assert ids(check(monkeypatch, probe(tmp_path, _0=[killed, H100]), "0")) == ["0"]
    crashed = {"signal": signal.SIGSEGV}
    with pytest.raises(DeviceMissing, match="exit status -11"):
        check(monkeypatch, probe(tmp_path, _0=crashed), "0")


def test_a_shared_device_must_admit_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = probe(tmp_path, _0=H100 | {"exclusive": True})
    assert ids(check(monkeypatch, command, "0")) == ["0"]
    with pytest.raises(
        DeviceMissing, match=r"admits one process at a time \(compute mode\), but 3 trials are to share"
    ):
        check(monkeypatch, command, "0", trials_per_gpu=3)


def test_the_size_of_a_context_is_measured_if_trials_share_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = probe(tmp_path, _0=H100 | {"context": 500}, _1=H100 | {"context": 700})
    environment = check(monkeypatch, command, "0,1", gpus_per_node=2, trials_per_gpu=2).environment()
    assert looks(tmp_path) == ["0 --context", "1 --context"]
    assert context_bytes(environment) == 700
    assert context_bytes({}) == USUAL_CONTEXT_BYTES


def test_a_job_uses_its_devices_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for visible, expected in [("3,1", ["3", "1"]), ("3,1,2", ["3", "1"]), ("NoDevFiles", []), ("-1", []), ("", [])]:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert list(visible_ids(profile(gpus_per_node=2))) == expected
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_ids(profile(gpus_per_node=2)) == ("0", "1")
