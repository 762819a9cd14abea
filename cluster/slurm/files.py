"""The files through which the jobs of one sweep communicate: small, in the run directory, each replaced atomically.

Nothing else passes between launch, head and workers, so any of them may die and be restarted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cluster.ray_nodes.credentials import Credentials
from cluster.slurm.records import Demand, Departure, HeadRecord, JobRecord, PoolRecord, SlurmLaunch, WorkerRecord
from fdt_core.errors import EnvironmentProblem
from fdt_core.files.atomic_files import read_text_if_exists, write_text_atomically
from fdt_core.files.json_file import DamagedFile, parse_json, read_json

T = TypeVar("T")


@dataclass(frozen=True)
class SlurmFiles:
    """The paths below a run's `slurm/` directory."""

    directory: Path

    @property
    def token(self) -> Path:
        """Ray's token, mode 0600."""
        return self.directory / "token"

    @property
    def authority(self) -> Path:
        """The certificate authority of the sweep's Ray nodes, with its key, mode 0600."""
        return self.directory / "authority.pem"

    def credentials(self, *, tls: bool) -> Credentials:
        """What lets a node into the sweep's Ray, with or without TLS."""
        return Credentials(token=self.token, authority=self.authority if tls else None)

    @property
    def launch(self) -> Path:
        """Profiles, command and code digest of the last launch."""
        return self.directory / "launch.json"

    @property
    def job_log(self) -> Path:
        """One line per submitted job."""
        return self.directory / "jobs.jsonl"

    @property
    def jobs(self) -> Path:
        """The folder that submitit uses: scripts, pickled calls and the jobs' output."""
        return self.directory / "jobs"

    @property
    def head(self) -> Path:
        """Where the head is; see HeadRecord."""
        return self.directory / "head.json"

    @property
    def drain(self) -> Path:
        """Raised by the driver or the head's job: all nodes must drain; see `cluster.machine.drain`."""
        return self.directory / "drain"

    @property
    def cancel(self) -> Path:
        """Raised by `cancel`: all jobs must save and leave."""
        return self.directory / "cancel"

    @property
    def demand(self) -> Path:
        """How many trials could run now, according to the driver; see Demand."""
        return self.directory / "demand.json"

    @property
    def pool(self) -> Path:
        """What holds up the pool of workers; see PoolRecord."""
        return self.directory / "pool.json"

    @property
    def workers(self) -> Path:
        """One record per worker job."""
        return self.directory / "workers"

    def worker(self, job_id: str) -> Path:
        """The record of one worker job."""
        return self.workers / f"{job_id}.json"

    @property
    def leavers(self) -> Path:
        """One empty file for each worker that has ever begun to leave."""
        return self.workers / "leavers"

    def write_worker(self, record: WorkerRecord) -> None:
        """Replace a worker's record; the first time that it leaves, list it among the leavers."""
        write_record(self.worker(record.job_id), record)
        if record.state.leaves:
            (self.leavers / record.job_id).touch(mode=0o600)  # after the record, which says what it does

    def read_leavers(self) -> frozenset[str]:
        """The job ids of all workers that have ever begun to leave; some may be back.

        One look at a folder, however many workers there are: they rewrite their records every few seconds, and on a
        network file system each takes about a millisecond to read.
        """
        return frozenset(entry.name for entry in self.leavers.iterdir())

    def leave(self, job_id: str) -> Path:
        """Exists once the pool has asked this idle worker to leave; holds the reason, for display."""
        return self.workers / f"{job_id}.leave"

    def ask_to_leave(self, job_id: str) -> None:
        """Have an idle worker save its trials and end."""
        if not self.asked_to_leave(job_id):
            write_text_atomically(self.leave(job_id), Departure.IDLE)

    def asked_to_leave(self, job_id: str) -> bool:
        """Whether the pool has asked this worker to leave."""
        return self.leave(job_id).exists()

    def suspects(self, job_id: str) -> Path:
        """Holds the devices of this worker that failed in trials, one per line: written by the driver."""
        return self.workers / f"{job_id}.suspects"

    def suspect(self, job_id: str, device: str) -> None:
        """Have a worker examine a device (named as in CUDA_VISIBLE_DEVICES; empty: all of them)."""
        waiting = read_text_if_exists(self.suspects(job_id)) or ""
        write_text_atomically(self.suspects(job_id), f"{waiting}{device}\n")

    def take_suspects(self, job_id: str) -> list[str]:
        """The devices that this worker must examine; each is returned only once."""
        taken = self.suspects(job_id).with_suffix(".taken")
        with contextlib.suppress(FileNotFoundError):
            self.suspects(job_id).rename(taken)  # before reading, so that nothing added meanwhile is lost
            return taken.read_text(encoding="utf-8").splitlines()
        return []

    def output(self, job_id: str) -> Path:
        """What a job printed."""
        return self.jobs / f"{job_id}_0_log.out"

    def last_lines(self, job_id: str, count: int) -> list[str]:
        """The last lines that a job printed; none if it printed nothing, or its output is not visible here."""
        try:
            return self.output(job_id).read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-count:]
        except OSError:
            return []

    def create(self) -> None:
        """Make the directories, closed to other users. Raises EnvironmentProblem if that fails."""
        try:
            for directory in (self.directory, self.jobs, self.workers, self.leavers):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write to {self.directory}: {error.strerror}") from error

    def read_head(self) -> HeadRecord | None:
        """The head's record; None before the first launch."""
        return _read(self.head, HeadRecord)

    def read_demand(self) -> Demand | None:
        """What the driver could use; None before it has reported."""
        return _read(self.demand, Demand)

    def read_pool(self) -> PoolRecord | None:
        """What holds up the pool; None while nothing ever has."""
        return _read(self.pool, PoolRecord)

    def read_worker(self, job_id: str) -> WorkerRecord | None:
        """The record of one worker; None before it has started."""
        return _read(self.worker(job_id), WorkerRecord)

    def read_workers(self) -> list[WorkerRecord]:
        """The records of all workers that ever started, oldest first; damaged ones are skipped."""
        found = []
        for path in self.workers.glob("*.json"):
            with contextlib.suppress(DamagedFile):
                found.append(_read(path, WorkerRecord))
        return sorted((record for record in found if record is not None), key=lambda record: record.started_at)

    def read_jobs(self) -> list[JobRecord]:
        """All jobs ever submitted, oldest first; lines cut short by a full disk or a crash are skipped."""
        try:
            lines = self.job_log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(DamagedFile):
                found.append(parse_json(line, JobRecord, self.job_log))
        return found

    def record_jobs(self, jobs: Sequence[JobRecord]) -> None:
        """Append to the list of submitted jobs, in one write: two submitters must not mix their lines."""
        text = "".join(json.dumps(dataclasses.asdict(job)) + "\n" for job in jobs)
        descriptor = os.open(self.job_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def write_record(path: Path, record: Any) -> None:
    """Replace the file at `path` with the dataclass `record`, as JSON."""
    write_text_atomically(path, json.dumps(dataclasses.asdict(record), indent=1) + "\n")


def read_launch(files: SlurmFiles) -> SlurmLaunch:
    """The last launch. Raises EnvironmentProblem if there is none, or it is damaged."""
    launch = _read(files.launch, SlurmLaunch)
    if launch is None:
        raise EnvironmentProblem(f"{files.launch} is missing: this run was never launched on Slurm")
    return launch


def _read(path: Path, type_: type[T]) -> T | None:
    return read_json(path, type_, remedy="when all jobs of the sweep have ended, launch again")
