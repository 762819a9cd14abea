"""Watches the devices of a running job: one that fails in a trial is examined, and left out if it is broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from cluster.devices.device_check import PROBE, PROBE_SECONDS, Device, Examination, JobDevices
from cluster.machine.resources import NodeResources, node_resources
from cluster.profile.schema import ClusterProfile


class DeviceMonitor:
    """Examines the devices on which trials failed, in separate processes, without waiting for them.

    A trial that fails with a device's error may have caused it itself, so that alone leaves no device out.

    Args:
        found: the devices with which the job starts.
        probe: the command that examines one device; see `cluster.devices.device_probe`.
        seconds: how long a device has to answer.

    Attributes:
        devices: those that are in use now, and those that are left out.
    """

    def __init__(self, found: JobDevices, *, probe: Sequence[str] = PROBE, seconds: float = PROBE_SECONDS) -> None:
        self.devices = found
        self._probe = probe
        self._seconds = seconds
        self._suspects: set[str] = set()
        self._examination: Examination | None = None

    def suspect(self, ids: Iterable[str]) -> None:
        """Record that trials failed on these devices (ids in CUDA_VISIBLE_DEVICES); if none is known, suspect all."""
        usable = {device.id for device in self.devices.usable}
        known = set(ids) & (usable | {device.id for device in self.devices.left_out})
        self._suspects |= known & usable if known else usable

    def is_at_rest(self) -> bool:
        """Whether no device is suspected or being examined."""
        return self._examination is None and not self._suspects

    def look(self) -> tuple[Device, ...]:
        """Start examining suspects, and return the devices that turned out to be broken since the last look."""
        if self._examination is None and self._suspects:
            self._examination = Examination(sorted(self._suspects), probe=self._probe, seconds=self._seconds)
            self._suspects.clear()
        if self._examination is None or not self._examination.is_over():
            return ()
        broken = tuple(device for device in self._examination.devices() if device.fault and not device.busy)
        self._examination = None
        self.devices = self.devices.without(broken)
        return broken

    def resources(self, profile: ClusterProfile) -> NodeResources:
        """What a node of the profile offers, not counting the devices that are left out."""
        offered = node_resources(profile)
        return dataclasses.replace(offered, gpus=len(self.devices.usable)) if profile.device == "cuda" else offered
