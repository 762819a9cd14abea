"""What the jobs of one sweep tell each other: small files in the run directory, each replaced whole.

Nothing else passes between launch, head and workers, so any of them may die and come back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from cluster.profile import ClusterProfile
from fdt_core.errors import EnvironmentProblem
from fdt_core.json_file import DamagedFile, parse_json, read_json
from fdt_core.results.files import read_text_if_exists, write_text_atomically

T = TypeVar("T")

IDLE, DEVICE_FAILED = "nothing more to do here", "a device failed in a trial"
"""Why workers are asked to leave."""

Role = Literal["head", "worker"]
HeadState = Literal["expected", "open", "moving", "closed"]
WorkerState = Literal["starting", "refused", "waiting", "joined", "draining", "ended"]


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """One submitted job, as the submitter noted it."""

    job_id: str
    role: Role
    name: str
    submitted_at: float
    profile: str = ""
    """Name of the launch's profile that a worker goes by."""


@dataclass(frozen=True, kw_only=True)
class HeadRecord:
    """Where the head is. `expected`: submitted; `moving`: a successor comes; `closed`: the sweep is over for now."""

    state: HeadState
    job_id: str | None = None
    address: str | None = None
    """`ip:port` of Ray's head, where it is open."""
    host: str | None = None
    why: str = ""
    status: int | None = None
    """Exit status of the driver, where it has ended."""
    written_at: float


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """One worker job, as it tells of itself. Times in seconds since the epoch."""

    job_id: str
    slurm_job_id: str
    """SLURM_JOB_ID, which differs from `job_id` (ARRAY_TASK) in job arrays."""
    host: str
    node: str
    """Slurm's name of the node."""
    state: WorkerState
    why: str = ""
    gpus: str = ""
    """CUDA_VISIBLE_DEVICES of the job."""
    devices: tuple[str, ...] = ()
    """Names of its CUDA devices."""
    started_at: float
    joined_at: float | None = None
    unfit: bool = False
    """Refused because of the node's devices: replacements avoid the node."""
    draining_since: float | None = None
    """When it began to drain: after that, no trial begins there."""
    idle_beats: int = 0
    """Heartbeats in a row without any trial on the node."""
    ends_at: float | None = None
    """When Slurm will end the job."""
    beat: int
    """Rises while the job lives: compare two readings, never clocks."""
    written_at: float


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the driver could use now."""

    slots: int
    """Places for trials, those that are taken included."""
    per_worker: tuple[int, ...]
    """Places that a worker of each of the launch's profiles offers."""


@dataclass(frozen=True, kw_only=True)
class PoolRecord:
    """What holds the pool of workers up, if anything does."""

    why: str = ""
    asked_again_at: float | None = None
    """Seconds since the epoch; None: at the next look."""
    written_at: float


@dataclass(frozen=True)
class SlurmFiles:
    """The paths below a run's `slurm/` directory."""

    directory: Path

    @property
    def token(self) -> Path:
        """Ray's token, 0600."""
        return self.directory / "token"

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
        """The folder of submitit: scripts, pickled calls and the jobs' output."""
        return self.directory / "jobs"

    @property
    def head(self) -> Path:
        """Where the head is; see HeadRecord."""
        return self.directory / "head.json"

    @property
    def drain(self) -> Path:
        """Raised by the driver: all nodes are to drain; see `cluster.drain`."""
        return self.directory / "drain"

    @property
    def cancel(self) -> Path:
        """Raised by `cancel`: all jobs are to save and leave."""
        return self.directory / "cancel"

    @property
    def demand(self) -> Path:
        """How many trials could run now, as the driver says; see Demand."""
        return self.directory / "demand.json"

    @property
    def pool(self) -> Path:
        """What holds the pool of workers up; see PoolRecord."""
        return self.directory / "pool.json"

    @property
    def workers(self) -> Path:
        """One record per worker job."""
        return self.directory / "workers"

    def worker(self, job_id: str) -> Path:
        """The record of one worker job."""
        return self.workers / f"{job_id}.json"

    def leave(self, job_id: str) -> Path:
        """Holds why this worker is to leave: written by the pool for idle ones, by the driver for failed devices."""
        return self.workers / f"{job_id}.leave"

    def ask_to_leave(self, job_id: str, why: str) -> None:
        """Have a worker save its trials and end; who was asked before stays asked for that."""
        if not self.leave(job_id).exists():
            write_text_atomically(self.leave(job_id), why)

    def asked_to_leave(self, job_id: str) -> str | None:
        """Why this worker is to leave; None where it may stay."""
        return read_text_if_exists(self.leave(job_id))

    def output(self, job_id: str) -> Path:
        """What a job printed."""
        return self.jobs / f"{job_id}_0_log.out"

    def create(self) -> None:
        """Make the directories, closed to others. Raises EnvironmentProblem where that fails."""
        try:
            for directory in (self.directory, self.jobs, self.workers):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write to {self.directory}: {error.strerror}") from error

    def read_head(self) -> HeadRecord | None:
        """The head's record; None before the first launch."""
        return _read(self.head, HeadRecord)

    def read_demand(self) -> Demand | None:
        """What the driver could use; None before it has said so."""
        return _read(self.demand, Demand)

    def read_pool(self) -> PoolRecord | None:
        """What holds the pool up; None while nothing ever did."""
        return _read(self.pool, PoolRecord)

    def read_worker(self, job_id: str) -> WorkerRecord | None:
        """The record of one worker; None before it has started."""
        return _read(self.worker(job_id), WorkerRecord)

    def read_workers(self) -> list[WorkerRecord]:
        """The records of all workers that ever started, oldest first; damaged ones are left out."""
        found = []
        for path in self.workers.glob("*.json"):
            with contextlib.suppress(DamagedFile):
                found.append(_read(path, WorkerRecord))
        return sorted((record for record in found if record is not None), key=lambda record: record.started_at)

    def read_jobs(self) -> list[JobRecord]:
        """All jobs that were ever submitted, oldest first; lines that a full disk or a crash cut short are left out."""
        try:
            lines = self.job_log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(DamagedFile):
                found.append(parse_json(line, JobRecord, self.job_log))
        return found

    def note_jobs(self, jobs: Sequence[JobRecord]) -> None:
        """Append to the list of submitted jobs: one write, so that two submitters do not mix their lines."""
        text = "".join(json.dumps(dataclasses.asdict(job)) + "\n" for job in jobs)
        descriptor = os.open(self.job_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a launch wants of its jobs; they read it when they start."""

    sweep: str
    job_name: str
    """What the names of all jobs of this run directory begin with."""
    profiles: tuple[ClusterProfile, ...]
    """Where workers may run; the head goes by the first."""
    head_command: tuple[str, ...]
    """The driver, run in the head's job."""
    fingerprint: dict[str, str]
    """Versions and code digest of the launching machine: every job's must be the same."""
    data_directory: str = ""
    dataset_digests: dict[str, str] = dataclasses.field(default_factory=dict)
    """Digests of the prepared data sets of the sweep, by name: every node must see the same there."""

    def profile_number(self, name: str) -> int | None:
        """Where the profile with this name stands among those of the launch; None where it is not (any more)."""
        names = [profile.name for profile in self.profiles]
        return names.index(name) if name in names else None

    def name_of(self, role: Role) -> str:
        """The name of the sweep's head or worker jobs in Slurm: unique for the run directory."""
        return f"{self.job_name}-{role}"


def write_record(path: Path, record: Any) -> None:
    """Replace the file at `path` by the dataclass `record`."""
    write_text_atomically(path, json.dumps(dataclasses.asdict(record), indent=1) + "\n")


def read_launch(files: SlurmFiles) -> Launch:
    """The last launch. Raises EnvironmentProblem where there is none, or it is damaged."""
    launch = _read(files.launch, Launch)
    if launch is None:
        raise EnvironmentProblem(f"{files.launch} is missing: this run was never launched on Slurm")
    return launch


def _read(path: Path, type_: type[T]) -> T | None:
    return read_json(path, type_, cure="when all jobs of the sweep have ended, launch again")
