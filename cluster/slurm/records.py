"""What the jobs of one sweep tell each other: the records that they leave as files in the run directory."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from cluster.profile.schema import ClusterProfile

IDLE = "nothing more to do here"
"""Why the pool asks workers to leave."""

Role = Literal["head", "worker"]
HeadState = Literal["expected", "open", "moving", "closed"]
WorkerState = Literal["starting", "refused", "waiting", "joined", "rejoining", "draining", "ended"]
"""`rejoining`: its trials are to save and leave, and it comes back at once without a device that has failed."""


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


@dataclass(frozen=True, kw_only=True)
class SlurmLaunch:
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
