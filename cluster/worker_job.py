"""A worker job: one Slurm node that joins the sweep's head as a Ray node, for as long as there is a head and time.

The job's first process starts `ray start`, watches files, clock and signals, and ends all that it started. Run by
submitit, or as `python -m cluster.worker_job SLURM_DIRECTORY PROFILE` inside the head's job.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.device_check import DeviceMissing, devices_of
from cluster.drain import DRAIN_FILE_VARIABLE, raise_drain_flag, read_drain_flag
from cluster.fingerprint import difference, own_fingerprint
from cluster.job_context import JobContext, JobEnd, current_job, job_end
from cluster.processes import end_session, process_title, session_members, sigterm_held_back, start_session
from cluster.profile import ClusterProfile
from cluster.ray_node import join_command, node_resources, node_variables, own_ip_address, ray_environment
from cluster.scratch import scratch_directory
from cluster.slurm_files import (
    DEVICE_FAILED,
    HeadRecord,
    Launch,
    SlurmFiles,
    WorkerRecord,
    WorkerState,
    read_launch,
    write_record,
)
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.errors import EnvironmentProblem

POLL_SECONDS = 1.0
BEAT_SECONDS = 5.0
PATIENCE_WITHOUT_HEAD = 600.0
"""A worker ends after so many seconds without a head."""
LAST_SECONDS = 5.0
"""So long before the job's end, or where there is little notice a quarter of what is left, the trials must be gone."""

EXIT_REFUSED = 3

SWEEP_IS_OVER, CANCELLED = "the sweep is over", "cancelled"

_RAYS_OWN = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")


def run_worker(slurm_directory: str, profile_name: str, *, beside_head: bool = False) -> None:
    """The whole life of a worker job, or of the worker `beside_head` in the head's job.

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
    voice = _Voice(files.worker(job.job_id), _first_record(job, end))
    with end.listening():
        try:
            files.leave(job.job_id).unlink(missing_ok=True)  # of this job's former life, where the site requeued it
            if number is None:
                raise EnvironmentProblem(f"the sweep was launched again, without the profile {profile_name!r}")
            if job.restarts and not beside_head:
                raise EnvironmentProblem("the site requeued this worker, which has been replaced already")
            voice.say("starting", devices=_check_fitness(launch, profile))
            why = _Worker(files, job, profile, end, voice).work()
            if why == DEVICE_FAILED:
                devices_of(profile)  # a node whose device does not answer any more is left out from now on
        except (EnvironmentProblem, DeviceMissing) as problem:
            voice.say("refused", str(problem), unfit=isinstance(problem, DeviceMissing))
            raise SystemExit(EXIT_REFUSED) from None
        voice.say("ended", why)


def _check_fitness(launch: Launch, profile: ClusterProfile) -> tuple[str, ...]:
    """The job's devices. Raises EnvironmentProblem or DeviceMissing where it must not take part."""
    if differs := difference(launch.fingerprint, own_fingerprint()):
        raise EnvironmentProblem(differs)
    for name, wanted in launch.dataset_digests.items():
        if (found := prepared_digest(name, Path(launch.data_directory))) != wanted:
            raise EnvironmentProblem(
                f"data set {name} in {launch.data_directory} is not what was launched: it has digest {found} here, "
                f"{wanted} there"
            )
    return devices_of(profile)


def _first_record(job: JobContext, end: JobEnd) -> WorkerRecord:
    now = time.time()
    return WorkerRecord(
        job_id=job.job_id,
        slurm_job_id=job.slurm_job_id,
        host=job.host,
        node=job.node,
        state="starting",
        gpus=job.gpus,
        started_at=now,
        ends_at=end.deadline,
        beat=0,
        written_at=now,
    )


class _Voice:
    """Keeps the worker's record, which is also its heartbeat."""

    def __init__(self, path: Path, record: WorkerRecord) -> None:
        self._path = path
        self._record = record
        self._spoken_at = float("-inf")

    def say(self, state: WorkerState, why: str = "", **changes: object) -> None:
        """Write the record with a new state, and tell the job's output."""
        print(f"{time.strftime('%H:%M:%S')} worker {self._record.job_id}: {state} {why}".rstrip(), flush=True)
        self._write(dataclasses.replace(self._record, state=state, why=why, **changes))  # type: ignore[arg-type]

    def beat(self, is_idle: Callable[[], bool] = lambda: False) -> None:
        """Show that the job lives, if it is time to, and for how long it was without work."""
        if time.monotonic() - self._spoken_at >= BEAT_SECONDS:
            idle_beats = self._record.idle_beats + 1 if is_idle() else 0
            self._write(dataclasses.replace(self._record, idle_beats=idle_beats))

    def has_joined(self) -> bool:
        """Whether the worker was part of the cluster when it last spoke."""
        return self._record.joined_at is not None

    def _write(self, record: WorkerRecord) -> None:
        self._record = dataclasses.replace(record, beat=record.beat + 1, written_at=time.time())
        self._spoken_at = time.monotonic()
        write_record(self._path, self._record)


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
    voice: _Voice

    def work(self) -> str:
        """Serve until there is nothing more to do here; says why."""
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
            self.voice.say("waiting", f"the head at {head.address} has left", joined_at=None)

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
            environment |= node_variables(self.job.job_id, directory)
            interface = self.profile.network_interface
            own_address = own_ip_address(interface) if interface else None
            command = join_command(
                str(head.address), node_resources(self.profile), directory, own_address, job=self.job.job_id
            )
            log = directory / "ray_start.log"
            with log.open("wb") as output, sigterm_held_back():
                process = start_session(command, environment=environment, output=output)
            try:
                yield _RayNode(process=process, drain_flag=Path(environment[DRAIN_FILE_VARIABLE]), log=log)
            finally:
                end_session(process, patience=0)

    def _serve(self, node: _RayNode, head: HeadRecord) -> str | None:
        """Watch over the Ray node. Returns why the job is to end, or None where the head was lost."""
        joined = False
        while node.process.poll() is None:
            if not joined and (joined := node.is_up()):
                self.voice.say("joined", f"the head at {head.address}", joined_at=time.time())
            if (deadline := read_drain_flag(self.files.drain)) is not None:
                raise_drain_flag(node.drain_flag, deadline)
            if why := self._reason_to_leave():
                if why != SWEEP_IS_OVER:
                    self._drain(node, why)
                return why
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
        now = time.time()
        self._hurry(node, now + self.profile.drain_seconds if why == DEVICE_FAILED else float("inf"))
        self.voice.say("draining", why, draining_since=now)
        self._await_trials(node)

    def _hurry(self, node: _RayNode, end: float = float("inf")) -> None:
        """Tell the trials the nearest end that is known by now: the job's, the driver's, or a cancelled sweep's."""
        now = time.time()
        if self.files.cancel.exists():
            end = min(end, now + self.profile.notice_seconds)
        end = min(end, self.end.deadline)
        raise_drain_flag(node.drain_flag, end - min(LAST_SECONDS, (end - now) / 4))
        if (deadline := read_drain_flag(self.files.drain)) is not None:
            raise_drain_flag(node.drain_flag, deadline)

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
