"""The probe that examines a device, run with a driver that the test compiles."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster.devices.device_check import Examination
from cluster.devices.torch_builds import build_advice

DRIVER = """
#include <string.h>
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuInit(unsigned flags) { return FAILS; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Tesla V100", length); return 0; }
int cuDeviceGetUuid(unsigned char *uuid, int device) { memset(uuid, 0, 16); return 0; }
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) { memset(uuid, 0xab, 16); return 0; }
int cuDeviceGetAttribute(int *value, int which, int device) {
    *value = which == 75 ? 7 : which == 76 ? 0 : which == 20 ? 3 : -1; return 0;
}
"""


def driver(folder: Path, monkeypatch: pytest.MonkeyPatch, *, fails: int = 0) -> None:
    """A driver of CUDA 12.4 with a V100 that admits one process at a time; or one that does not start."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: install gcc")
    (folder / "driver.c").write_text(DRIVER)
    command: list[str | Path] = [
        "cc",
        "-shared",
        "-fPIC",
        f"-DFAILS={fails}",
        "-o",
        folder / "libcuda.so.1",
        folder / "driver.c",
    ]
    subprocess.run(command, check=True, timeout=60)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}")


@pytest.mark.process
def test_the_driver_describes_a_device_that_torch_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch)
    (device,) = Examination(["MIG-x"]).devices()
    assert (device.name, device.uuid) == ("Tesla V100", "MIG-abababab-abab-abab-abab-abababababab")
    assert (device.capability, device.exclusive, device.driver_cuda) == ((7, 0), True, 12040)
    assert device.fault, "torch cannot start CUDA"
    assert "cu126" in build_advice(device)


@pytest.mark.process
def test_a_driver_that_does_not_start_reports_only_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, fails=802)
    (device,) = Examination(["0"]).devices()
    assert (device.driver_cuda, device.capability, device.name) == (12040, None, "")
    assert device.fault
