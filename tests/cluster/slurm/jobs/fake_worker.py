"""A worker job with a small process in place of `ray start`, and a clock that moves when the job sleeps."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.devices.device_check import PROBE
from cluster.devices.device_monitor import DeviceMonitor
from cluster.machine.drain import read_drain_flag
from cluster.machine.processes import end_session, start_session
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.credentials import Credentials
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.jobs.worker_job import run_worker
from cluster.slurm.jobs.worker_node import WorkerNode
from cluster.slurm.records import PATIENCE_WITHOUT_HEAD, HeadRecord, HeadState, WorkerRecord, WorkerState
from tests.cluster.slurm.fakes import FakeClock, launched

IDLE = "sleep 1000"
TRIAL = "bash -c 'exec -a ray::SweepTrial sleep 1000' & sleep 1000"
"""A Ray node on which a trial runs."""
LEAVES = "bash -c 'while [ ! -e drain ]; do sleep 0.01; done; exec -a ray::IDLE sleep 1000' & sleep 1000"


@dataclass
class Worker:
    """The worker job 7, whose Ray nodes are shell scripts; something happens whenever it sleeps."""

    files: SlurmFiles
    directory: Path
    node: str = IDLE
    clock: FakeClock = field(default_factory=lambda: FakeClock(moment=time.time()))
    joined: list[str] = field(default_factory=list)
    """Addresses of the heads that it has joined."""
    credentials: list[Credentials] = field(default_factory=list)
    """For each of its Ray nodes, what it joined with."""
    drained_by: list[float | None] = field(default_factory=list)
    """For each of its Ray nodes, the deadline of its trials."""
    beats: list[WorkerRecord] = field(default_factory=list)
    """Its record at each sleep."""

    def run(self, *events: Callable[[], object], status: int = 0, probe: Sequence[str] = PROBE, **how: Any) -> None:
        """Run the job to its end: at its n-th sleep the n-th event happens. It must exit with `status`."""
        left = iter(events)

        def asleep() -> None:
            self.beats.append(self.record())
            next(left, nothing)()
            if self.clock.moment - started_at > 2 * PATIENCE_WITHOUT_HEAD:
                raise AssertionError("the worker does not end")

        started_at, self.clock.on_sleep = self.clock.moment, asleep
        ended = pytest.raises(SystemExit) if status else contextlib.nullcontext()
        with ended as exit_:
            name = how.pop("profile", "site")
            run_worker(str(self.files.directory), name, probe=probe, join=self._join, clock=self.clock.clock(), **how)
        assert exit_ is None or exit_.value.code == status

    def record(self) -> WorkerRecord:
        found = self.files.read_worker("7")
        assert found is not None
        return found

    def ended(self) -> tuple[WorkerState, str]:
        return self.record().state, self.record().why

    @contextlib.contextmanager
    def _join(
        self,
        address: str,
        *,
        credentials: Credentials,
        job_id: str,
        until: float,
        profile: ClusterProfile,
        monitor: DeviceMonitor,
    ) -> Iterator[WorkerNode]:
        assert (job_id, profile.name, until) == ("7", "site", self.record().ends_at)
        self.credentials.append(credentials)
        self.joined.append(address)
        drain_flag, log = self.directory / "drain", self.directory / "log"
        drain_flag.unlink(missing_ok=True)
        log.write_text("Ray runtime started.\n")
        process = start_session(["sh", "-c", f"cd '{self.directory}'; {self.node}"], environment=os.environ)
        time.sleep(0.05)  # for its processes to start
        try:
            yield WorkerNode(process=process, drain_flag=drain_flag, log=log)
        finally:
            self.drained_by.append(read_drain_flag(drain_flag))
            end_session(process, patience=0)


def nothing() -> None:
    """Nothing happens."""


def launch(worker: Worker, **keys: Any) -> None:
    size = {"name": "site", "device": "cpu", "mem": "1G", "cpus_per_node": 1, "gpus_per_node": 0}
    launched(worker.files, **(size | {"drain_seconds": 100, "notice_seconds": 20} | keys))


def end_in(worker: Worker, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(worker.clock.moment + seconds))


@contextlib.contextmanager
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def publish(worker: Worker, state: HeadState, address: str | None = None, *, tls: bool = True) -> None:
    write_record(worker.files.head, HeadRecord(state=state, address=address, tls=tls, written_at=1.0))
