import pytest

from cluster.device_check import DeviceMissing, devices_of
from cluster.profile import load_profile


def test_a_profile_of_the_cpu_needs_no_device() -> None:
    assert devices_of(load_profile("slurm", {"device": "cpu"})) == ()


def test_missing_devices_are_refused_never_replaced_by_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(DeviceMissing, match="the profile asks for 3 CUDA devices, torch sees 0"):
        devices_of(load_profile("slurm", {"gpus_per_node": 3}))
