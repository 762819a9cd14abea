"""The Ray node of a worker job: `ray start`, joined to the sweep's head, and everything that it starts."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster.devices.device_monitor import DeviceMonitor
from cluster.machine.drain import DRAIN_FILE_VARIABLE
from cluster.machine.network import own_ip_address
from cluster.machine.processes import end_session, process_title, session_members, start_session, stop_signals_held_back
from cluster.machine.scratch import scratch_directory
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.credentials import Credentials
from cluster.ray_nodes.ray_node import join_command, node_variables, ray_environment

_NOT_TRIALS = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


@dataclass(frozen=True)
class WorkerNode:
    """A running `ray start`, and the drain flag of its actors."""

    process: subprocess.Popen[bytes]
    drain_flag: Path
    log: Path

    def has_ended(self) -> bool:
        """Whether `ray start` has ended."""
        return self.process.poll() is not None

    def is_up(self) -> bool:
        """Whether the node has joined the head."""
        return "Ray runtime started" in self.log.read_text(errors="replace")

    def has_trials(self) -> bool:
        """Whether an actor is still running. Ray names its processes, its helpers and idle ones included."""
        return any(
            title.startswith("ray::") and not title.startswith(_NOT_TRIALS)
            for title in map(process_title, session_members(self.process.pid))
        )


class Join(Protocol):
    """How a worker joins a head; see `join_head`."""

    def __call__(
        self,
        address: str,
        *,
        credentials: Credentials,
        job_id: str,
        until: float,
        profile: ClusterProfile,
        monitor: DeviceMonitor,
    ) -> AbstractContextManager[WorkerNode]:
        """Join the head at `address`."""


@contextlib.contextmanager
def join_head(
    address: str,
    *,
    credentials: Credentials,
    job_id: str,
    until: float,
    profile: ClusterProfile,
    monitor: DeviceMonitor,
) -> Iterator[WorkerNode]:
    """Join the head at `address` (`ip:port`) as a node of the profile, with the devices that work.

    The job ends at `until` (seconds since the epoch). At exit every process of the node is killed. Raises
    EnvironmentProblem if the credentials, or the profile's scratch directory or network interface, cannot be used, or
    the head refuses the credentials.
    """
    from cluster.ray_nodes.certificates import check_accepted, issue_certificate

    with scratch_directory(profile.scratch) as directory:
        interface = profile.network_interface
        own_address = own_ip_address(interface) if interface else None
        certificate = issue_certificate(credentials, directory, own_address, until=until)
        if certificate is not None:
            check_accepted(address, certificate)
        environment = ray_environment(credentials.token, os.environ, certificate)
        environment |= node_variables(job_id, directory) | monitor.devices.environment()
        command = join_command(address, monitor.resources(profile), directory, own_address, job=job_id)
        log = directory / "ray_start.log"
        with log.open("wb") as output, stop_signals_held_back():
            process = start_session(command, environment=environment, output=output)
        try:
            yield WorkerNode(process=process, drain_flag=Path(environment[DRAIN_FILE_VARIABLE]), log=log)
        finally:
            end_session(process, patience=0)
