"""What the jobs of one sweep report to each other: the records that they leave as files in the run directory."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from cluster.profile.schema import ClusterProfile

PATIENCE_WITHOUT_HEAD = 600.0
"""A worker ends after this many seconds without a head."""


class Role(StrEnum):
    """What a job of the sweep is for."""

    HEAD = "head"
    WORKER = "worker"


class HeadState(StrEnum):
    """Whether workers can join the head, now or later."""

    EXPECTED = "expected"
    """Its job is submitted."""
    OPEN = "open"
    """It accepts workers."""
    MOVING = "moving"
    """A successor comes."""
    CLOSED = "closed"
    """Nothing more will run until the next launch."""


class WorkerState(StrEnum):
    """What a worker is doing."""

    STARTING = "starting"
    REFUSED = "refused"
    """Its node is not fit for the sweep."""
    WAITING = "waiting"
    """For a head."""
    JOINED = "joined"
    REJOINING = "rejoining"
    """Its trials must save and leave; it comes back at once without a device that has failed."""
    DRAINING = "draining"
    """Its trials must save and leave; then the job ends."""
    ENDED = "ended"

    @property
    def leaves(self) -> bool:
        """Whether trials can no longer start there, for now or for good."""
        return self in (WorkerState.REJOINING, WorkerState.DRAINING, WorkerState.ENDED)


class Departure(StrEnum):
    """Why a worker leaves the sweep, as its record shows it."""

    SWEEP_IS_OVER = "the sweep is over"
    CANCELLED = "cancelled"
    IDLE = "nothing more to do here"
    """The pool has asked it to leave."""
    JOB_ENDS = "the job's end is near"
    NO_HEAD = f"no head for {PATIENCE_WITHOUT_HEAD:.0f} s"


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """One submitted job, recorded by its submitter."""

    job_id: str
    role: Role
    name: str
    submitted_at: float
    profile: str = ""
    """Name of the launch's profile that a worker was submitted with."""


@dataclass(frozen=True, kw_only=True)
class HeadRecord:
    """Where the head is."""

    state: HeadState
    job_id: str | None = None
    address: str | None = None
    """`ip:port` of Ray's head while it is open."""
    tls: bool = False
    """Whether its connections are encrypted: those who join must do the same, whatever a later launch wants."""
    host: str | None = None
    why: str = ""
    status: int | None = None
    """Exit status of the driver once it has ended."""
    written_at: float


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """One worker job, written by itself. Times are in seconds since the epoch."""

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
    """When it started to drain: no trial starts there after that."""
    idle_beats: int = 0
    """Consecutive heartbeats without any trial on the node."""
    ends_at: float | None = None
    """When Slurm will end the job."""
    beat: int
    """Rises while the job is alive: compare two readings, never clocks."""
    written_at: float


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the driver could use now."""

    slots: int
    """Slots for trials, occupied ones included."""
    per_worker: tuple[int, ...]
    """Slots that a worker of each of the launch's profiles offers."""


@dataclass(frozen=True, kw_only=True)
class PoolRecord:
    """What holds up the pool of workers, if anything does."""

    why: str = ""
    asked_again_at: float | None = None
    """Seconds since the epoch; None: at the next look."""
    written_at: float


@dataclass(frozen=True, kw_only=True)
class SlurmLaunch:
    """What a launch wants of its jobs; they read it when they start."""

    sweep: str
    job_name: str
    """Prefix of the names of all jobs of this run directory."""
    profiles: tuple[ClusterProfile, ...]
    """Where workers may run; the head uses the first."""
    head_command: tuple[str, ...]
    """The driver, run in the head's job."""
    fingerprint: dict[str, str]
    """Versions and code digest of the launching machine: those of every job must be the same."""
    data_directory: str = ""
    dataset_digests: dict[str, str] = dataclasses.field(default_factory=dict)
    """Digests of the sweep's prepared data sets, by name: every node must see the same ones."""

    def profile_number(self, name: str) -> int | None:
        """Index of the profile with this name; None if the launch does not, or no longer, have such a profile."""
        names = [profile.name for profile in self.profiles]
        return names.index(name) if name in names else None

    def name_of(self, role: Role) -> str:
        """The name of the sweep's head or worker jobs in Slurm: unique for the run directory."""
        return f"{self.job_name}-{role}"
