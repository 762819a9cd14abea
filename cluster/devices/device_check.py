"""Whether a job has the devices that its profile promises: a separate short process examines each of them."""

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
"""The command that examines one device; see `cluster.devices.device_probe`."""

PROBE_SECONDS = 120.0
"""How long a device has to answer; the first start of CUDA on a node can take a minute."""

LOOKS, PAUSE_SECONDS = 3, 10.0
"""How often, and how far apart, a device in use is examined: a dead job's memory takes seconds to be freed."""

MAX_SHARE_IN_USE = 0.2
"""Share of a device's memory, before any trial has started: contexts of drivers and monitors take less."""

CONTEXT_VARIABLE = "FDT_CUDA_CONTEXT_BYTES"
"""Environment variable with the bytes of a device that a process uses outside torch's allocator."""

USUAL_CONTEXT_BYTES = 600 * 2**20
"""Assumed if the node has not measured it: a context with the kernels of cuDNN and cuBLAS on recent cards."""

_CUDA_BUSY = (46, 216)
"""Errors of the CUDA runtime: another process has the device."""
_TERMINATED = (-signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)
"""Exit statuses that mean nothing about the device: the job is ending, or the node is short of memory."""


class DeviceMissing(Exception):
    """The job lacks devices that its profile promises; the message names what was found."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """One CUDA device or MIG slice, as seen by a process that sees no other. Sizes in bytes."""

    id: str
    """As in CUDA_VISIBLE_DEVICES."""
    name: str = ""
    uuid: str = ""
    """As in nvidia-smi; empty if the driver did not report it."""
    capability: tuple[int, int] | None = None
    exclusive: bool = False
    """Whether only one process at a time may use it (its compute mode)."""
    driver_cuda: int = 0
    """The highest CUDA version that the driver can run, as 1000 x major + 10 x minor; 0 = unknown."""
    torch_cuda: str = ""
    architectures: tuple[str, ...] = ()
    """What torch has machine code for."""
    free: int = 0
    total: int = 0
    context: int = 0
    """What a process uses outside torch's allocator; 0 = not measured."""
    fault: str = ""
    """Why no trial can use it; empty if it works."""
    busy: bool = False
    """Whether the only fault is that another process uses it."""

    def __str__(self) -> str:
        known = ", ".join(text for text in (self.name, self.uuid) if text and text != self.id)
        return f"CUDA device {self.id}" + (f" ({known})" if known else "")


@dataclass(frozen=True, kw_only=True)
class JobDevices:
    """The devices of a job: those that work, and those that are left out because of a fault."""

    usable: tuple[Device, ...] = ()
    left_out: tuple[Device, ...] = ()

    def without(self, faulty: Sequence[Device]) -> JobDevices:
        """The same devices, with the `faulty` ones left out."""
        ids = {device.id for device in faulty}
        kept = tuple(device for device in self.usable if device.id not in ids)
        return JobDevices(usable=kept, left_out=(*self.left_out, *faulty))

    def environment(self) -> dict[str, str]:
        """Environment of the processes that use these devices and no others; empty for a job without devices."""
        if not self.usable:
            return {}
        context = max(device.context for device in self.usable)
        measured = {CONTEXT_VARIABLE: str(context)} if context else {}
        return {"CUDA_VISIBLE_DEVICES": ",".join(device.id for device in self.usable), **measured}

    def faults(self) -> str:
        """Which devices are left out and why, for display; empty if none is."""
        return "; ".join(f"left out: {device}: {device.fault}" for device in self.left_out)


def devices_of(
    profile: ClusterProfile,
    *,
    in_use: float = MAX_SHARE_IN_USE,
    probe: Sequence[str] = PROBE,
    seconds: float = PROBE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> JobDevices:
    """The job's CUDA devices, each tried with one operation; none for a profile of the CPU. See `look_at_devices`.

    Raises:
        DeviceMissing: if there are fewer than the profile asks for, or none can be used: a sweep never falls back to
            the CPU silently.
    """
    devices = look_at_devices(profile, in_use=in_use, probe=probe, seconds=seconds, sleep=sleep)
    if profile.device == "cuda" and not devices.usable:
        raise DeviceMissing(f"no CUDA device can be used: {devices.faults()}")
    return devices


def look_at_devices(
    profile: ClusterProfile,
    *,
    in_use: float = MAX_SHARE_IN_USE,
    probe: Sequence[str] = PROBE,
    seconds: float = PROBE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> JobDevices:
    """The job's CUDA devices, those that can be used and those that cannot; none for a profile of the CPU.

    A device is left out if it does not work, if other processes or the leftovers of a dead job hold much of its memory
    in three checks ten seconds apart, or if it admits only one process but trials are to share it.

    Args:
        profile: what the job must have.
        in_use: maximum share of a device's memory that may be in use.
        probe: the command that examines one device; see `cluster.devices.device_probe`.
        seconds: how long each device has to answer.
        sleep: waits between two checks.

    Raises:
        DeviceMissing: if there are fewer than the profile asks for.
    """
    if profile.device != "cuda":
        return JobDevices()
    ids = visible_ids(profile)
    if not ids or len(ids) < (profile.gpus_per_node or 0):
        raise DeviceMissing(f"the profile asks for {profile.gpus_per_node or 1} CUDA devices, the job has {len(ids)}")
    found: dict[str, Device] = {}
    unclear: Sequence[str] = ids
    for look in range(LOOKS):
        if look:
            sleep(PAUSE_SECONDS)
        examination = Examination(unclear, probe=probe, measure=profile.trials_per_gpu > 1, seconds=seconds)
        found |= {device.id: device for device in examination.devices()}
        unclear = [device.id for device in found.values() if device.busy or _share_in_use(device) > in_use]
        if not unclear:
            break
    judged = [_judged(device, profile, in_use) for device in found.values()]
    return JobDevices(usable=tuple(judged)).without([device for device in judged if device.fault])


def visible_ids(profile: ClusterProfile) -> tuple[str, ...]:
    """Up to as many devices as the profile asks for: ids in CUDA_VISIBLE_DEVICES, or numbers if it is not set."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return tuple(map(str, range(profile.gpus_per_node or visible_gpus())))
    ids = tuple(id_ for each in listed.split(",") if (id_ := each.strip()) not in ("", "-1", "NoDevFiles"))
    return ids[: profile.gpus_per_node]


class Examination:
    """Examines devices at the same time, each in a separate process. Constructing it starts the processes.

    Args:
        ids: the devices, as in CUDA_VISIBLE_DEVICES.
        probe: the command that examines one; see `cluster.devices.device_probe`.
        measure: also measure what a process uses outside torch's allocator, which needs idle devices and a few seconds.
        seconds: how long a device has to answer.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        ids: Sequence[str],
        *,
        probe: Sequence[str] = PROBE,
        measure: bool = False,
        seconds: float = PROBE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        command = [*probe, "--context"] if measure else list(probe)
        self._clock = clock
        self._seconds = seconds
        self._deadline = clock() + seconds
        self._probes = {id_: _start_probe(id_, command) for id_ in ids}

    def is_over(self) -> bool:
        """Whether `devices` would not wait."""
        return self._clock() > self._deadline or all(probe.poll() is not None for probe in self._probes.values())

    def devices(self) -> list[Device]:
        """What was found; waits until each device has answered or its time is over."""
        return [self._found(id_, probe) for id_, probe in self._probes.items()]

    def _found(self, id_: str, probe: subprocess.Popen[str]) -> Device:
        try:
            output, complaint = probe.communicate(timeout=max(self._deadline - self._clock(), 0.1))
        except subprocess.TimeoutExpired:
            probe.kill()  # without waiting for its end: a process that hangs in the driver cannot be killed
            return Device(id=id_, fault=f"CUDA did not answer within {self._seconds:.0f} s")
        if probe.returncode in _TERMINATED:
            fault = f"the process that examined it was terminated (signal {-probe.returncode})"
            return Device(id=id_, fault=fault, busy=True)
        lines = output.strip().splitlines()
        try:
            return _device(id_, json.loads(lines[-1]))
        except (IndexError, ValueError):  # the driver has ended the process, or torch cannot be imported
            reason = informative_line(complaint) or f"exit status {probe.returncode}"
            return Device(id=id_, fault=f"CUDA does not work: {reason}")


def context_bytes(environment: Mapping[str, str] = os.environ) -> int:
    """Bytes of a device that a process uses outside torch's allocator: as the node measured it, else a usual figure."""
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
        start_new_session=True,  # Ctrl-C at a terminal must not look like a fault of the device
        preexec_fn=die_with_parent,
    )


def _device(id_: str, facts: Mapping[str, Any]) -> Device:
    """The device that a probe has described; keys as in `device_probe.look`."""
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
    """The device's identifier as in nvidia-smi, from its hexadecimal digits."""
    kind = "MIG" if id_.startswith("MIG-") else "GPU"
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return f"{kind}-{'-'.join(parts)}" if digits else id_ if id_.startswith(("GPU-", "MIG-")) else ""


def _share_in_use(device: Device) -> float:
    return 1 - device.free / device.total if device.total else 0.0


def _judged(device: Device, profile: ClusterProfile, in_use: float) -> Device:
    """The device, with a fault if it works but does not suit the trials of this profile."""
    if device.fault:
        return device
    if _share_in_use(device) > in_use:
        taken = f"{(device.total - device.free) / 2**30:.1f} of {device.total / 2**30:.1f} GiB"
        return dataclasses.replace(device, fault=f"{taken} are in use before any trial has started", busy=True)
    if device.exclusive and profile.trials_per_gpu > 1:
        fault = f"it admits one process at a time (compute mode), but {profile.trials_per_gpu} trials are to share it"
        return dataclasses.replace(device, fault=fault)
    return device
