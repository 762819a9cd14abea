"""A worker job: one Slurm node that joins the sweep's head as a Ray node, for as long as there is a head and time.

The job's first process starts `ray start`, watches files, clock and signals, and ends all that it started. Run by
submitit, or as `python -m cluster.slurm.jobs.worker_job SLURM_DIRECTORY PROFILE` inside the head's job.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.devices.device_check import PROBE, Device, DeviceMissing, devices_of
from cluster.devices.device_monitor import DeviceMonitor
from cluster.machine.drain import DRAIN_FILE_VARIABLE, raise_drain_flag, read_drain_flag
from cluster.machine.drain_timeline import cancelled_worker_end, trials_end_by
from cluster.machine.fingerprint import difference, own_fingerprint
from cluster.machine.network import own_ip_address
from cluster.machine.processes import end_session, process_title, session_members, start_session, stop_signals_held_back
from cluster.machine.scratch import scratch_directory
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.ray_node import join_command, node_variables, ray_environment
from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.jobs.job_context import JobContext, JobEnd, current_job, job_end
from cluster.slurm.jobs.worker_record import WorkerRecordWriter, first_record
from cluster.slurm.records import HeadRecord, SlurmLaunch
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode

POLL_SECONDS = 1.0
PATIENCE_WITHOUT_HEAD = 600.0
"""A worker ends after so many seconds without a head."""

SWEEP_IS_OVER, CANCELLED = "the sweep is over", "cancelled"

_RAYS_OWN = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


def run_worker(
    slurm_directory: str, profile_name: str, *, beside_head: bool = False, probe: Sequence[str] = PROBE
) -> None:
    """The whole life of a worker job, or of the worker `beside_head` in the head's job; `probe` looks at one device.

    Exits with status 3 where the node is not fit for the sweep.
    """
    files, job = SlurmFiles(Path(slurm_directory)), current_job()
    launch = read_launch(files)
    number = launch.profile_number(profile_name)
    profile = launch.profiles[number or 0]
    end = job_end(
        job,
        time_limit=profile.time_seconds,
        drain_seconds=profile.drain_seconds,
        notice_seconds=profile.notice_seconds,
    )
    voice = WorkerRecordWriter(files.worker(job.job_id), first_record(job, end))
    with end.listening():
        try:
            files.leave(job.job_id).unlink(missing_ok=True)  # of this job's former life, where the site requeued it
            if number is None:
                raise EnvironmentProblem(f"the sweep was launched again, without the profile {profile_name!r}")
            if job.restarts and not beside_head:
                raise EnvironmentProblem("the site requeued this worker, which has been replaced already")
            _check_fitness(launch)
            devices = devices_of(profile, probe=probe)
            voice.say("starting", devices.faults(), devices=tuple(device.name for device in devices.usable))
            why = _Worker(files, job, profile, end, voice, DeviceMonitor(devices, probe=probe)).work()
        except (EnvironmentProblem, DeviceMissing) as problem:
            voice.say("refused", str(problem), unfit=isinstance(problem, DeviceMissing))
            raise SystemExit(ExitCode.PROBLEM) from None
        voice.say("ended", why)


def _check_fitness(launch: SlurmLaunch) -> None:
    """Raise EnvironmentProblem where the job must not take part: it has other software, or sees other data."""
    if differs := difference(launch.fingerprint, own_fingerprint()):
        raise EnvironmentProblem(differs)
    for name, wanted in launch.dataset_digests.items():
        if (found := prepared_digest(name, Path(launch.data_directory))) != wanted:
            raise EnvironmentProblem(
                f"data set {name} in {launch.data_directory} is not what was launched: it has digest {found} here, "
                f"{wanted} there"
            )


@dataclass(frozen=True)
class _RayNode:
    """A running `ray start`, and the drain flag of its actors."""

    process: subprocess.Popen[bytes]
    drain_flag: Path
    log: Path

    def is_up(self) -> bool:
        """Whether the node has joined the head."""
        return "Ray runtime started" in self.log.read_text(errors="replace")

    def has_trials(self) -> bool:
        """Whether an actor is still at work: Ray names its processes, its own and idle ones included."""
        return any(
            title.startswith("ray::") and not title.startswith(_RAYS_OWN)
            for title in map(process_title, session_members(self.process.pid))
        )


@dataclass(frozen=True)
class _Worker:
    """Joins one head after the other until something ends the job."""

    files: SlurmFiles
    job: JobContext
    profile: ClusterProfile
    end: JobEnd
    voice: WorkerRecordWriter
    watch: DeviceMonitor

    def work(self) -> str:
        """Serve until there is nothing more to do here; says why. Raises DeviceMissing once no device works."""
        given_up_at = time.monotonic() + PATIENCE_WITHOUT_HEAD
        while True:
            head = self._await_head(given_up_at)
            if isinstance(head, str):
                return head
            with self._ray_node(head) as node:
                why = self._serve(node, head)
            if why is not None:
                return why
            if self.voice.has_joined():
                given_up_at = time.monotonic() + PATIENCE_WITHOUT_HEAD
            self.voice.say("waiting", f"it has left the head at {head.address}", joined_at=None)

    def _await_head(self, given_up_at: float) -> HeadRecord | str:
        """A head that is open and answers, or why there is none to be awaited."""
        while time.monotonic() < given_up_at:
            if why := self._reason_to_leave():
                return why
            head = self.files.read_head()
            if head is not None and head.state == "open" and _answers(str(head.address)):
                return head
            self.voice.beat()
            time.sleep(POLL_SECONDS)
        return f"no head for {PATIENCE_WITHOUT_HEAD:.0f} s"

    def _reason_to_leave(self) -> str | None:
        head = self.files.read_head()
        if head is not None and head.state == "closed":
            return SWEEP_IS_OVER
        if self.files.cancel.exists():
            return CANCELLED
        if why := self.files.asked_to_leave(self.job.job_id):
            return why
        return "the job's end is near" if self.end.is_near() else None

    @contextlib.contextmanager
    def _ray_node(self, head: HeadRecord) -> Iterator[_RayNode]:
        with scratch_directory(self.profile.scratch) as directory:
            environment = ray_environment(self.files.token, os.environ)
            environment |= node_variables(self.job.job_id, directory) | self.watch.devices.environment()
            interface = self.profile.network_interface
            own_address = own_ip_address(interface) if interface else None
            resources = self.watch.resources(self.profile)
            command = join_command(str(head.address), resources, directory, own_address, job=self.job.job_id)
            log = directory / "ray_start.log"
            with log.open("wb") as output, stop_signals_held_back():
                process = start_session(command, environment=environment, output=output)
            try:
                yield _RayNode(process=process, drain_flag=Path(environment[DRAIN_FILE_VARIABLE]), log=log)
            finally:
                end_session(process, patience=0)

    def _serve(self, node: _RayNode, head: HeadRecord) -> str | None:
        """Watch over the Ray node. Returns why the job is to end, or None where it is to join (another head) again."""
        joined = False
        while node.process.poll() is None:
            if not joined and (joined := node.is_up()):
                faults = self.watch.devices.faults()
                self.voice.say(
                    "joined", "; ".join(filter(None, (f"the head at {head.address}", faults))), joined_at=time.time()
                )
            if (deadline := read_drain_flag(self.files.drain)) is not None:
                raise_drain_flag(node.drain_flag, deadline)
            if why := self._reason_to_leave():
                if why != SWEEP_IS_OVER:
                    self._drain(node, why)
                return why
            if broken := self._broken_devices():
                self._leave_out(node, broken)
                return None
            now = self.files.read_head()
            if now is None or (now.state, now.address) != ("open", head.address):
                self._await_trials(node)  # they were told to save, if there was time
                return None
            self.voice.beat(is_idle=lambda: joined and not node.has_trials())
            time.sleep(POLL_SECONDS)
        _show_tail(node.log)
        return None

    def _drain(self, node: _RayNode, why: str) -> None:
        """Let the trials save and leave, but no longer than the job has."""
        self._hurry(node)
        self.voice.say("draining", why, draining_since=time.time())
        self._await_trials(node)

    def _broken_devices(self) -> tuple[Device, ...]:
        """Those that trials have complained of and that do not work any more."""
        if suspects := self.files.take_suspects(self.job.job_id):
            self.watch.suspect(suspects)
        return self.watch.look()

    def _leave_out(self, node: _RayNode, broken: Sequence[Device]) -> None:
        """Let the trials save, so that the node can join again without these devices."""
        self._hurry(node, time.time() + self.profile.drain_seconds)
        told = "; ".join(f"{device} does not work any more: {device.fault}" for device in broken)
        self.voice.say("rejoining", told, devices=tuple(device.name for device in self.watch.devices.usable))
        self._await_trials(node)
        if not self.watch.devices.usable:
            raise DeviceMissing(told)

    def _hurry(self, node: _RayNode, end: float = float("inf")) -> None:
        """Tell the trials the nearest end that is known by now: the job's, the driver's, or a cancelled sweep's."""
        now = time.time()
        if self.files.cancel.exists():
            end = min(end, cancelled_worker_end(self.profile.notice_seconds, now))
        end = min(end, self.end.deadline)
        raise_drain_flag(node.drain_flag, trials_end_by(end, read_drain_flag(self.files.drain), now))

    def _await_trials(self, node: _RayNode) -> None:
        """Wait for the trials that were told to drain, until they are to be gone."""
        while time.time() < (read_drain_flag(node.drain_flag) or 0.0) and node.has_trials():
            if node.process.poll() is not None:
                break
            self._hurry(node)  # an end that is nearer may have been told meanwhile
            self.voice.beat()
            time.sleep(POLL_SECONDS / 5)


def _answers(address: str) -> bool:
    """Whether somebody listens at `ip:port`: a head that was killed has left its address behind."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except OSError:
        return False


def _show_tail(log: Path) -> None:
    lines = log.read_text(errors="replace").splitlines()
    print("\n".join(["ray start ended by itself:", *lines[-20:]]), flush=True)


if __name__ == "__main__":
    run_worker(sys.argv[1], sys.argv[2], beside_head=True)
