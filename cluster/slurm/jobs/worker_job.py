"""A worker job: one Slurm node that joins the sweep's head as a Ray node, for as long as there is a head and time.

The job's first process starts `ray start`, watches files, clock and signals, and ends everything that it started.
submitit runs it, or, inside the head's job, `python -m cluster.slurm.jobs.worker_job SLURM_DIRECTORY PROFILE`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.devices.device_check import PROBE, Device, DeviceMissing, devices_of
from cluster.devices.device_monitor import DeviceMonitor
from cluster.machine.drain import raise_drain_flag, read_drain_flag
from cluster.machine.drain_timeline import cancelled_worker_end, trials_end_by
from cluster.machine.fingerprint import difference, own_fingerprint
from cluster.profile.schema import ClusterProfile
from cluster.slurm.clock import SYSTEM_CLOCK, Clock
from cluster.slurm.files import SlurmFiles, read_launch
from cluster.slurm.jobs.job_context import JobContext, JobEnd, current_job, job_end
from cluster.slurm.jobs.worker_node import Join, WorkerNode, join_head
from cluster.slurm.jobs.worker_record import WorkerRecordWriter, first_record
from cluster.slurm.records import PATIENCE_WITHOUT_HEAD, Departure, HeadState, SlurmLaunch, WorkerState
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.errors import EnvironmentProblem
from fdt_core.exit_codes import ExitCode

POLL_SECONDS = 1.0


def run_worker(
    slurm_directory: str,
    profile_name: str,
    *,
    beside_head: bool = False,
    probe: Sequence[str] = PROBE,
    join: Join = join_head,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """The whole life of a worker job, or of the worker `beside_head` in the head's job; `probe` examines one device.

    Exits with status 3 if the node is not fit for the sweep.
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
        clock=clock,
    )
    record = WorkerRecordWriter(files, first_record(job, end, clock=clock), clock=clock)
    with end.listening():
        try:
            files.leave(job.job_id).unlink(missing_ok=True)  # from before the site requeued this job
            if number is None:
                raise EnvironmentProblem(f"the sweep was launched again, without the profile {profile_name!r}")
            if job.restarts and not beside_head:
                raise EnvironmentProblem("the site requeued this worker, which has been replaced already")
            _check_fitness(launch)
            devices = devices_of(profile, probe=probe)
            names = tuple(device.name for device in devices.usable)
            record.report(WorkerState.STARTING, devices.faults(), devices=names)
            monitor = DeviceMonitor(devices, probe=probe)
            departure = _Worker(files, job, profile, end, record, monitor, join, clock).work()
        except (EnvironmentProblem, DeviceMissing) as problem:
            record.report(WorkerState.REFUSED, str(problem), unfit=isinstance(problem, DeviceMissing))
            raise SystemExit(ExitCode.PROBLEM) from None
        record.report(WorkerState.ENDED, departure)


def _check_fitness(launch: SlurmLaunch) -> None:
    """Raise EnvironmentProblem if the job must not take part: it has other software, or sees other data."""
    if differs := difference(launch.fingerprint, own_fingerprint()):
        raise EnvironmentProblem(differs)
    for name, wanted in launch.dataset_digests.items():
        if (found := prepared_digest(name, Path(launch.data_directory))) != wanted:
            raise EnvironmentProblem(
                f"data set {name} in {launch.data_directory} is not what was launched: it has digest {found} here, "
                f"{wanted} there"
            )


@dataclass(frozen=True)
class _OpenHead:
    """A head that can be joined."""

    address: str
    tls: bool


@dataclass(frozen=True)
class _NoHead:
    """The worker must leave instead of joining a head."""

    departure: Departure


@dataclass(frozen=True)
class _Worker:
    """Joins one head after another until something ends the job."""

    files: SlurmFiles
    job: JobContext
    profile: ClusterProfile
    end: JobEnd
    record: WorkerRecordWriter
    monitor: DeviceMonitor
    join: Join
    clock: Clock

    def work(self) -> Departure:
        """Serve until the worker must leave; returns why. Raises DeviceMissing once no device works."""
        given_up_at = self.clock.monotonic() + PATIENCE_WITHOUT_HEAD
        while True:
            head = self._await_head(given_up_at)
            if isinstance(head, _NoHead):
                return head.departure
            with self.join(
                head.address,
                credentials=self.files.credentials(tls=head.tls),
                job_id=self.job.job_id,
                until=self.end.deadline,
                profile=self.profile,
                monitor=self.monitor,
            ) as node:
                departure = self._serve(node, head.address)
            if departure is not None:
                return departure
            if self.record.has_joined():
                given_up_at = self.clock.monotonic() + PATIENCE_WITHOUT_HEAD
            self.record.report(WorkerState.WAITING, f"it has left the head at {head.address}", joined_at=None)

    def _await_head(self, given_up_at: float) -> _OpenHead | _NoHead:
        """Wait for a head that is open and answers, until there is a reason to leave."""
        while self.clock.monotonic() < given_up_at:
            if departure := self._departure():
                return _NoHead(departure)
            head = self.files.read_head()
            if head is not None and head.state == HeadState.OPEN and _answers(str(head.address)):
                return _OpenHead(str(head.address), head.tls)
            self.record.beat()
            self.clock.sleep(POLL_SECONDS)
        return _NoHead(Departure.NO_HEAD)

    def _departure(self) -> Departure | None:
        """Why the worker must leave now; None if it may stay."""
        head = self.files.read_head()
        if head is not None and head.state == HeadState.CLOSED:
            return Departure.SWEEP_IS_OVER
        if self.files.cancel.exists():
            return Departure.CANCELLED
        if self.files.asked_to_leave(self.job.job_id):
            return Departure.IDLE
        return Departure.JOB_ENDS if self.end.is_near() else None

    def _serve(self, node: WorkerNode, address: str) -> Departure | None:
        """Watch over the Ray node. Returns why the job must end, or None if it should join a head again."""
        joined = False
        while not node.has_ended():
            if not joined and (joined := node.is_up()):
                why = "; ".join(filter(None, (f"the head at {address}", self.monitor.devices.faults())))
                self.record.report(WorkerState.JOINED, why, joined_at=self.clock.now())
            if (deadline := read_drain_flag(self.files.drain)) is not None:
                raise_drain_flag(node.drain_flag, deadline)
            if departure := self._departure():
                if departure is not Departure.SWEEP_IS_OVER:
                    self._drain(node, departure)
                return departure
            if broken := self._broken_devices():
                self._leave_out(node, broken)
                return None
            now = self.files.read_head()
            if now is None or (now.state, now.address) != (HeadState.OPEN, address):
                self._await_trials(node)  # they have been asked to save, if there was time
                return None
            self.record.beat(is_idle=lambda: joined and not node.has_trials())
            self.clock.sleep(POLL_SECONDS)
        _show_tail(node.log)
        return None

    def _drain(self, node: WorkerNode, why: Departure) -> None:
        """Let the trials save and leave, but no longer than the job has."""
        self._hurry(node)
        self.record.report(WorkerState.DRAINING, why, draining_since=self.clock.now())
        self._await_trials(node)

    def _broken_devices(self) -> tuple[Device, ...]:
        """The devices that trials have reported and that no longer work."""
        if suspects := self.files.take_suspects(self.job.job_id):
            self.monitor.suspect(suspects)
        return self.monitor.look()

    def _leave_out(self, node: WorkerNode, broken: Sequence[Device]) -> None:
        """Let the trials save, so that the node can join again without these devices."""
        self._hurry(node, self.clock.now() + self.profile.drain_seconds)
        why = "; ".join(f"{device} no longer works: {device.fault}" for device in broken)
        usable = self.monitor.devices.usable
        self.record.report(WorkerState.REJOINING, why, devices=tuple(device.name for device in usable))
        self._await_trials(node)
        if not usable:
            raise DeviceMissing(why)

    def _hurry(self, node: WorkerNode, end: float = float("inf")) -> None:
        """Set the trials the nearest deadline known by now: the job's, the driver's, or that of a cancelled sweep."""
        now = self.clock.now()
        if self.files.cancel.exists():
            end = min(end, cancelled_worker_end(self.profile.notice_seconds, now))
        end = min(end, self.end.deadline)
        raise_drain_flag(node.drain_flag, trials_end_by(end, read_drain_flag(self.files.drain), now))

    def _await_trials(self, node: WorkerNode) -> None:
        """Wait for the trials to save and leave, up to their deadline."""
        while self.clock.now() < (read_drain_flag(node.drain_flag) or 0.0) and node.has_trials():
            if node.has_ended():
                break
            self._hurry(node)  # an earlier deadline may have been set meanwhile
            self.record.beat()
            self.clock.sleep(POLL_SECONDS / 5)


def _answers(address: str) -> bool:
    """Whether something listens at `ip:port`: a head that was killed leaves its address behind."""
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
