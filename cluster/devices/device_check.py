"""Whether a job has the devices that its profile promises: each is asked in a process of its own, which ends again."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.machine.processes import die_with_parent
from cluster.machine.resources import visible_gpus
from cluster.profile.schema import ClusterProfile
from fdt_core.error_text import informative_line

PROBE = (sys.executable, "-P", str(Path(__file__).with_name("device_probe.py")))
"""The command that looks at one device."""

PROBE_SECONDS = 120.0
"""A device that has not answered after so long never will; the first start of CUDA on a node can take a minute."""

ASKS, PAUSE_SECONDS = 3, 10.0
"""How often, and how far apart, a device that somebody uses is asked: a dead job's memory takes seconds to be freed."""

LARGEST_SHARE_IN_USE = 0.2
"""Of a device's memory, before any trial has begun: contexts of drivers and monitors take less."""

CONTEXT_VARIABLE = "FDT_CUDA_CONTEXT_BYTES"
"""Environment variable that tells trials what a process takes of a device beside torch's allocator."""

USUAL_CONTEXT_BYTES = 600 * 2**20
"""What is assumed where nobody has measured it: a context with the kernels of cuDNN and cuBLAS on recent cards."""

_CUDA_BUSY = (46, 216)
"""Errors of the CUDA runtime: another process has the device."""
_TOLD_TO_END = (-signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)
"""Exit statuses that say nothing of a device: a job that ends, or a node that is short of memory."""


class DeviceMissing(Exception):
    """The job has not the devices that its profile promises; the message says what was found."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """One CUDA device or MIG slice, as a process that sees nothing else found it. Sizes in bytes."""

    id: str
    """As CUDA_VISIBLE_DEVICES names it."""
    name: str = ""
    uuid: str = ""
    """As nvidia-smi names it; empty where the driver did not tell."""
    capability: tuple[int, int] | None = None
    exclusive: bool = False
    """Whether one process at a time may use it (its compute mode)."""
    driver_cuda: int = 0
    """The highest CUDA that the driver can run, as 1000 x major + 10 x minor."""
    torch_cuda: str = ""
    architectures: tuple[str, ...] = ()
    """What torch has machine code for."""
    free: int = 0
    total: int = 0
    context: int = 0
    """What a process takes beside torch's allocator; 0 = not measured."""
    fault: str = ""
    """Why no trial can use it; empty where it works."""
    busy: bool = False
    """Whether the fault is only that another process uses it."""

    def __str__(self) -> str:
        known = ", ".join(text for text in (self.name, self.uuid) if text and text != self.id)
        return f"CUDA device {self.id}" + (f" ({known})" if known else "")


@dataclass(frozen=True, kw_only=True)
class JobDevices:
    """The devices of a job: those that work, and those that are left out because of their fault."""

    usable: tuple[Device, ...] = ()
    left_out: tuple[Device, ...] = ()

    def without(self, faulty: Sequence[Device]) -> JobDevices:
        """The same, but for `faulty` ones."""
        ids = {device.id for device in faulty}
        kept = tuple(device for device in self.usable if device.id not in ids)
        return JobDevices(usable=kept, left_out=(*self.left_out, *faulty))

    def environment(self) -> dict[str, str]:
        """What processes need that use these devices and no others; nothing for a job without devices."""
        if not self.usable:
            return {}
        context = max(device.context for device in self.usable)
        measured = {CONTEXT_VARIABLE: str(context)} if context else {}
        return {"CUDA_VISIBLE_DEVICES": ",".join(device.id for device in self.usable), **measured}

    def faults(self) -> str:
        """What is left out and why, for people; empty where nothing is."""
        return "; ".join(f"left out: {device}: {device.fault}" for device in self.left_out)


def devices_of(
    profile: ClusterProfile,
    *,
    in_use: float = LARGEST_SHARE_IN_USE,
    probe: Sequence[str] = PROBE,
    sleep: Callable[[float], None] = time.sleep,
) -> JobDevices:
    """The job's CUDA devices, each tried with one operation; none for a profile of the CPU. See `look_at_devices`.

    Raises:
        DeviceMissing: where there are fewer than the profile asks for, or none can be used: a sweep never falls back to
            the CPU in silence.
    """
    devices = look_at_devices(profile, in_use=in_use, probe=probe, sleep=sleep)
    if profile.device == "cuda" and not devices.usable:
        raise DeviceMissing(f"no CUDA device can be used: {devices.faults()}")
    return devices


def look_at_devices(
    profile: ClusterProfile,
    *,
    in_use: float = LARGEST_SHARE_IN_USE,
    probe: Sequence[str] = PROBE,
    sleep: Callable[[float], None] = time.sleep,
) -> JobDevices:
    """The job's CUDA devices, those that can be used and those that cannot; none for a profile of the CPU.

    A device is left out where it does not work; where somebody else, or what a dead job left behind, holds much of its
    memory in three looks ten seconds apart; and where it admits one process but trials are to share it.

    Args:
        profile: what the job is to have.
        in_use: largest part of a device's memory that may be in use.
        probe: the command that looks at one device; see `cluster.devices.device_probe`.
        sleep: waits between two looks.

    Raises:
        DeviceMissing: where there are fewer than the profile asks for.
    """
    if profile.device != "cuda":
        return JobDevices()
    ids = visible_ids(profile)
    if not ids or len(ids) < (profile.gpus_per_node or 0):
        raise DeviceMissing(f"the profile asks for {profile.gpus_per_node or 1} CUDA devices, the job has {len(ids)}")
    found: dict[str, Device] = {}
    asked: Sequence[str] = ids
    for ask in range(ASKS):
        if ask:
            sleep(PAUSE_SECONDS)
        examination = Examination(asked, probe=probe, measure=profile.trials_per_gpu > 1)
        found |= {device.id: device for device in examination.devices()}
        asked = [device.id for device in found.values() if device.busy or _part_in_use(device) > in_use]
        if not asked:
            break
    judged = [_judged(device, profile, in_use) for device in found.values()]
    return JobDevices(usable=tuple(judged)).without([device for device in judged if device.fault])


def visible_ids(profile: ClusterProfile) -> tuple[str, ...]:
    """As many devices as the profile asks for, as CUDA_VISIBLE_DEVICES names them; where it is not set, by number."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return tuple(map(str, range(profile.gpus_per_node or visible_gpus())))
    ids = tuple(id_ for each in listed.split(",") if (id_ := each.strip()) not in ("", "-1", "NoDevFiles"))
    return ids[: profile.gpus_per_node]


class Examination:
    """Looks at devices, each in a process of its own, all at the same time; it has begun when it is made.

    Args:
        ids: the devices, as CUDA_VISIBLE_DEVICES names them.
        probe: the command that looks at one; see `cluster.devices.device_probe`.
        measure: also what a process takes beside torch's allocator; it needs idle devices and a few seconds.
        clock: seconds that only ever rise.
    """

    def __init__(
        self,
        ids: Sequence[str],
        *,
        probe: Sequence[str] = PROBE,
        measure: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        command = [*probe, "--context"] if measure else list(probe)
        self._clock = clock
        self._deadline = clock() + PROBE_SECONDS
        self._probes = {id_: _start_probe(id_, command) for id_ in ids}

    def is_over(self) -> bool:
        """Whether `devices` would not wait."""
        return self._clock() > self._deadline or all(probe.poll() is not None for probe in self._probes.values())

    def devices(self) -> list[Device]:
        """What was found; waits until each has answered, or never will."""
        return [_found(id_, probe, self._deadline - self._clock()) for id_, probe in self._probes.items()]


def context_bytes(environment: Mapping[str, str] = os.environ) -> int:
    """What a process takes of a device beside torch's allocator: as the node measured it, else a usual figure."""
    return int(environment.get(CONTEXT_VARIABLE, USUAL_CONTEXT_BYTES))


def _start_probe(id_: str, command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": id_},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C at a terminal says nothing of a device
        preexec_fn=die_with_parent,
    )


def _found(id_: str, probe: subprocess.Popen[str], seconds: float) -> Device:
    """What a probe has found that may take so long still."""
    try:
        output, complaint = probe.communicate(timeout=max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        probe.kill()  # nor is its end waited for: what hangs in the driver cannot be killed
        return Device(id=id_, fault=f"CUDA did not answer within {PROBE_SECONDS:.0f} s")
    lines = output.strip().splitlines()
    if probe.returncode in _TOLD_TO_END:
        return Device(id=id_, fault=f"the process that looked at it was ended (signal {-probe.returncode})", busy=True)
    try:
        return _device(id_, json.loads(lines[-1]))
    except (IndexError, ValueError):  # the driver has ended the process, or torch cannot be imported
        said = informative_line(complaint) or f"exit status {probe.returncode}"
        return Device(id=id_, fault=f"CUDA does not work: {said}")


def _device(id_: str, facts: Mapping[str, Any]) -> Device:
    """What a probe has printed, as a Device."""
    fault = informative_line(facts.get("fault", ""))
    capability = facts.get("capability")
    return Device(
        id=id_,
        name=facts.get("name", ""),
        uuid=_uuid(id_, facts.get("uuid", "")),
        capability=(capability[0], capability[1]) if capability else None,
        exclusive=facts.get("exclusive", False),
        driver_cuda=facts.get("driver_cuda", 0),
        torch_cuda=facts.get("torch_cuda", ""),
        architectures=tuple(facts.get("architectures", ())),
        free=facts.get("free", 0),
        total=facts.get("total", 0),
        context=facts.get("context", 0),
        fault=fault,
        busy=facts.get("number") in _CUDA_BUSY or "busy or unavailable" in fault,
    )


def _uuid(id_: str, digits: str) -> str:
    """The device's identifier as nvidia-smi writes it, from its hexadecimal digits."""
    kind = "MIG" if id_.startswith("MIG-") else "GPU"
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return f"{kind}-{'-'.join(parts)}" if digits else id_ if id_.startswith(("GPU-", "MIG-")) else ""


def _part_in_use(device: Device) -> float:
    return 1 - device.free / device.total if device.total else 0.0


def _judged(device: Device, profile: ClusterProfile, in_use: float) -> Device:
    """The device with its fault, where it works but is not fit for this profile's trials."""
    if device.fault:
        return device
    if _part_in_use(device) > in_use:
        taken = f"{(device.total - device.free) / 2**30:.1f} of {device.total / 2**30:.1f} GiB"
        return dataclasses.replace(device, fault=f"{taken} are in use before any trial has begun", busy=True)
    if device.exclusive and profile.trials_per_gpu > 1:
        fault = f"it admits one process at a time (compute mode), but {profile.trials_per_gpu} trials are to share it"
        return dataclasses.replace(device, fault=fault)
    return device
