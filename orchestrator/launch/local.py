"""Drive a sweep on this machine, with a Ray that is started for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cluster.devices.device_check import PROBE, DeviceMissing, devices_of
from cluster.devices.device_monitor import DeviceMonitor
from cluster.machine.resources import node_resources
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.ray_node import local_ray
from fdt_core.errors import EnvironmentProblem
from orchestrator.launch.outcome import LaunchAction, LaunchOutcome
from orchestrator.plan.trial_slots import local_device, packed, trial_slots
from orchestrator.run.backlog import Progress
from orchestrator.run.driver_lease import DriverLease
from orchestrator.run.launch_record import Launch
from orchestrator.run.open_run import open_run
from orchestrator.status.console import silent_stdout
from orchestrator.trial.report import ProcessLocation
from orchestrator.tune.compute import Compute
from orchestrator.tune.environment import TUNE_SETTINGS
from orchestrator.tune.stop_signals import StopSignals


def drive_here(
    launch: Launch,
    lease: DriverLease,
    profile: ClusterProfile,
    *,
    before_work: Callable[[], None] = lambda: None,
) -> LaunchOutcome:
    """Run what is left of a launch. Starts no Ray if nothing is left.

    `before_work` is called once nothing can keep the work from starting. Raises EnvironmentProblem if the machine
    lacks what the profile or a trial asks for, KeyboardInterrupt if it is interrupted to stop at once.
    """
    device = local_device(profile)
    work = open_run(launch, lease, device=device)
    if work.nothing_left():
        before_work()
        print(work.nothing_to_do(), file=sys.stderr)
        lease.release()
        return LaunchOutcome(action=LaunchAction.NOTHING_TO_DO, exit_code=work.exit_code(interrupted=False))

    devices = LocalDevices.found(replace(packed(profile, work.plan), device="cuda" if device == "cuda" else "cpu"))
    os.environ.update(devices.watch.devices.environment())
    if device == "cuda":
        profile = replace(profile, gpus_per_node=len(devices.watch.devices.usable))
    needs = trial_slots(work.plan, node=node_resources(profile), profile=profile)
    # A stop requested while Ray starts is handled when Ray is up; it does not interrupt Ray's start or its end.
    with StopSignals() as signals, silent_stdout(), local_ray(profile, variables=TUNE_SETTINGS) as head:
        from orchestrator.tune.drive_sweep import drive_sweep  # Ray reads its environment when it is imported

        before_work()
        compute = Compute(
            slots=needs,
            device=device,
            drain_flag=head.directory / "drain",
            scratch=head.directory,
            on_progress=devices.refuse_broken,
            on_device_failure=devices.suspect,
        )
        return LaunchOutcome(action=LaunchAction.RAN, exit_code=drive_sweep(work, compute, signals))


@dataclass(frozen=True)
class LocalDevices:
    """This machine's devices: a launch leaves out those that do not work, and ends when one stops working."""

    watch: DeviceMonitor

    @classmethod
    def found(cls, profile: ClusterProfile, *, probe: Sequence[str] = PROBE) -> LocalDevices:
        """Look for them; other processes may use part of their memory. `probe` examines one device.

        Raises EnvironmentProblem if none works.
        """
        try:
            devices = devices_of(profile, in_use=1.0, probe=probe)
        except DeviceMissing as problem:
            raise EnvironmentProblem(str(problem)) from problem
        if devices.left_out:
            print(devices.faults(), file=sys.stderr)
        return cls(DeviceMonitor(devices, probe=probe))

    def suspect(self, place: ProcessLocation) -> None:
        """Have the device examined on which a trial has failed."""
        self.watch.suspect([place.device_id or ""])

    def refuse_broken(self, _progress: Progress) -> None:
        """Raises EnvironmentProblem, which ends the run, once a device turns out to be broken."""
        if broken := self.watch.look():
            broken_devices = "; ".join(f"{device} no longer works: {device.fault}" for device in broken)
            left = "launch again to continue without it" if self.watch.devices.usable else "no other is left"
            raise EnvironmentProblem(f"{broken_devices}; {left}")
