"""What only a real card can show about device checks: identifiers, the size of a context, memory in use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from cluster.devices.device_check import Examination, devices_of, visible_ids
from cluster.devices.torch_builds import build_advice, runs_on
from cluster.profile.schema import ClusterProfile, load_profile

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"),
]

NEIGHBOUR = (
    "import torch; held = torch.empty(int({part} * torch.cuda.mem_get_info()[1]), dtype=torch.uint8, device='cuda')"
)
STAYS = "; torch.cuda.synchronize(); print('here', flush=True); input()"


def profile(**keys: object) -> ClusterProfile:
    return load_profile("slurm", {"gpus_per_node": 1, **keys})


def test_a_device_has_the_names_and_sizes_that_torch_reports() -> None:
    devices = devices_of(profile(), in_use=1.0)
    (device,) = devices.usable
    assert device.name == torch.cuda.get_device_name(0)
    assert device.uuid == f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    assert device.capability == torch.cuda.get_device_capability(0)
    assert device.total == torch.cuda.mem_get_info(0)[1]
    assert device.driver_cuda >= 12000
    assert (device.torch_cuda, device.architectures) == (torch.version.cuda, tuple(torch.cuda.get_arch_list()))
    assert not device.exclusive
    assert device.context == 0, "not asked for"
    assert runs_on(device.capability, device.architectures)
    assert build_advice(device) == ""
    assert devices.environment()["CUDA_VISIBLE_DEVICES"] == visible_ids(profile())[0]


def test_a_device_can_be_named_by_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", uuid)
    (device,) = devices_of(profile(), in_use=1.0).usable
    assert (device.id, device.uuid) == (uuid, uuid)


def test_a_device_that_does_not_exist_has_a_fault() -> None:
    (device,) = Examination(["63"]).devices()
    assert device.fault
    assert not device.busy


def test_the_size_of_a_context_is_measured() -> None:
    (device,) = devices_of(profile(trials_per_gpu=2), in_use=1.0).usable
    print(f"a context of {device.name} takes {device.context / 2**20:.0f} MiB")
    assert 100 * 2**20 < device.context < 2 * 2**30


def test_a_job_waits_for_memory_that_a_dying_neighbour_holds() -> None:
    command = [sys.executable, "-c", NEIGHBOUR.format(part=0.4) + STAYS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "here\n"
        asked: list[float] = []

        def sleep(seconds: float) -> None:
            asked.append(seconds)
            other.kill()
            other.wait()

        (device,) = devices_of(profile(), sleep=sleep).usable
    assert asked == [10.0]
    assert device.fault == ""
