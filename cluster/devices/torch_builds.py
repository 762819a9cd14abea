"""Which build of torch fits a device and its driver.

| build | architectures with machine code             | driver                    | of torch      |
|-------|---------------------------------------------|---------------------------|---------------|
| cu130 | 7.5, 8.0, 8.6, 9.0, 10.0, 12.0              | one for CUDA 13 (580 ...) | 2.9 and later |
| cu128 | 7.5, 8.0, 8.6, 9.0, 10.0, 12.0              | one for CUDA 12 (525 ...) | 2.7 to 2.11   |
| cu126 | 5.0, 6.0, 7.0, 7.5, 8.0, 8.6, 9.0           | one for CUDA 12 (525 ...) | 2.6 to 2.14   |

Sources: PyTorch, RELEASE.md, "PyTorch CUDA Support Matrix" (Linux x86-64; cu128 had 7.0 too up to torch 2.10), and
NVIDIA, "CUDA Compatibility": a driver runs programs of every minor version of its major version of CUDA.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cluster.devices.device_check import Device

Capability = tuple[int, int]


@dataclass(frozen=True)
class _Build:
    name: str
    cuda: int
    """Major version."""
    architectures: tuple[str, ...]
    torch: str


_BUILDS = (
    _Build("cu130", 13, ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"), "2.9 and later"),
    _Build("cu128", 12, ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"), "2.7 to 2.11"),
    _Build("cu126", 12, ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"), "2.6 to 2.14"),
)
"""Newest first."""

_FIRST_DRIVERS = {12: "525", 13: "580"}
"""The first driver on Linux for each major version of CUDA."""


def runs_on(capability: Capability, architectures: tuple[str, ...]) -> bool:
    """Whether code for these `architectures` (as in torch.cuda.get_arch_list) runs on a device of this capability.

    Machine code for 8.0 also runs on 8.6, never on another major version. PTX ('compute_90') is compiled for any later
    device.
    """
    return any(_fits(capability, architecture) for architecture in architectures)


def _fits(capability: Capability, architecture: str) -> bool:
    parts = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
    if parts is None:
        return False
    built_for = int(parts[2]), int(parts[3])
    if parts[4] == "a":  # code that uses features of this architecture alone
        return capability == built_for
    return capability >= built_for and (parts[1] == "compute" or capability[0] == built_for[0])


def build_advice(device: Device) -> str:
    """What to install if torch, the driver and the device do not fit together; empty if they do.

    A driver of unknown version is not checked, nor is a device of unknown architecture.
    """
    driver = device.driver_cuda // 1000
    if not driver and device.capability is None:
        return ""
    needs_driver = int(device.torch_cuda.partition(".")[0] or 0)
    fits_device = device.capability is None or runs_on(device.capability, device.architectures)
    if fits_device and (not driver or 0 < needs_driver <= driver):
        return ""
    what = f"the build of torch for {_shown(device.capability)}"
    for build in _BUILDS:
        if device.capability is not None and not runs_on(device.capability, build.architectures):
            continue
        if not driver or build.cuda <= driver:
            return f"{what} is {build.name} (available for torch {build.torch})"
    if device.capability is not None and not any(runs_on(device.capability, build.architectures) for build in _BUILDS):
        return f"no build of torch that fdt-sweep can use has code for {_shown(device.capability)}"
    return f"a newer NVIDIA driver: {_FIRST_DRIVERS[12]} or later"


def _shown(capability: Capability | None) -> str:
    return "this device" if capability is None else f"compute capability {capability[0]}.{capability[1]}"


def description(device: Device) -> str:
    """The device, what torch was built for, and what is wrong, for display."""
    facts = [_shown(device.capability)] if device.capability else []
    if device.driver_cuda:
        facts.append(f"driver for CUDA {device.driver_cuda // 1000}.{device.driver_cuda % 1000 // 10}")
    if device.architectures:
        facts.append(f"torch for CUDA {device.torch_cuda} with {' '.join(device.architectures)}")
    if device.exclusive:
        facts.append("one process at a time")
    return f"{device}: {', '.join([*facts, device.fault or 'works'])}"
