"""The devices of a job for as long as it runs: one that fails is examined, and left out from then on if broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from cluster.devices.device_check import PROBE, Device, Examination, JobDevices
from cluster.machine.resources import NodeResources, node_resources
from cluster.profile.schema import ClusterProfile


class DeviceMonitor:
    """Examines the devices that trials complain of, in processes of their own; nobody waits for them.

    A trial that dies of a device's error may have brought it about itself, so its word alone leaves no device out.

    Args:
        found: the devices with which the job begins.
        probe: the command that looks at one device; see `cluster.devices.device_probe`.

    Attributes:
        devices: those that are used now, and those that are left out.
    """

    def __init__(self, found: JobDevices, *, probe: Sequence[str] = PROBE) -> None:
        self.devices = found
        self._probe = probe
        self._suspects: set[str] = set()
        self._examination: Examination | None = None

    def suspect(self, ids: Iterable[str]) -> None:
        """Take note that these devices (as CUDA_VISIBLE_DEVICES names them) failed in trials; of unknown ones, all."""
        usable = {device.id for device in self.devices.usable}
        known = set(ids) & (usable | {device.id for device in self.devices.left_out})
        self._suspects |= known & usable if known else usable

    def is_at_rest(self) -> bool:
        """Whether nothing is suspected or examined."""
        return self._examination is None and not self._suspects

    def look(self) -> tuple[Device, ...]:
        """Examine what is suspected, and return the devices that turned out to be broken since the last look."""
        if self._examination is None and self._suspects:
            self._examination = Examination(sorted(self._suspects), probe=self._probe)
            self._suspects.clear()
        if self._examination is None or not self._examination.is_over():
            return ()
        broken = tuple(device for device in self._examination.devices() if device.fault and not device.busy)
        self._examination = None
        self.devices = self.devices.without(broken)
        return broken

    def resources(self, profile: ClusterProfile) -> NodeResources:
        """What a node of the profile offers without the devices that are left out."""
        offered = node_resources(profile)
        return dataclasses.replace(offered, gpus=len(self.devices.usable)) if profile.device == "cuda" else offered
