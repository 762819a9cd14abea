"""One driver per run directory, by generations.

Each driver creates a file with the next number, and the file system lets exactly one succeed. A driver writes results
only while no higher number exists, so a driver that was paused and overtaken writes nothing more.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.atomic_files import write_text_atomically
from fdt_core.files.json_file import DamagedFile, read_json

STALE_AFTER = 90.0
"""Seconds on the observer's clock without a heartbeat after which an unreachable driver counts as gone."""

LOCKED_SECONDS = 5.0
"""The generation's file follows its lock file within a moment; after this long, the process between them is dead."""

_LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class DriverRecord:
    """What a driver writes about itself into the file of its generation."""

    pid: int
    process_started: float
    """Seconds since the epoch."""
    boot_id: str
    host: str
    slurm_job_id: str | None
    started_at: str
    ended_at: str | None = None
    """Not in the file while the driver is alive."""

    def __str__(self) -> str:
        """The driver as messages name it."""
        job = f", Slurm job {self.slurm_job_id}" if self.slurm_job_id else ""
        return f"process {self.pid} on {self.host}{job}, since {self.started_at}"

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({name: value for name, value in asdict(self).items() if (name, value) != ("ended_at", None)})


class Overtaken(EnvironmentProblem):
    """Another driver has taken over this run directory: nothing more may be written."""


@dataclass(frozen=True, kw_only=True)
class DriverLease:
    """The right to write results, held until a higher generation appears."""

    directory: Path
    number: int

    def check(self) -> None:
        """Raise Overtaken if a higher generation exists."""
        highest = newest_generation(self.directory)
        if highest > self.number:
            owner = _read(self.directory, highest)
            raise Overtaken(f"another driver has taken over this run ({owner}): this one writes nothing more")

    def beat(self, counter: int) -> None:
        """Show observers on other hosts that this driver is alive."""
        write_text_atomically(self.directory / "heartbeat.json", json.dumps([self.number, counter]))

    def release(self) -> None:
        """Record that this driver has ended, so that the next one need not find out."""
        with suppress(DamagedFile):  # the next driver will ask the user to remove the file
            owner = replace(_read(self.directory, self.number), ended_at=datetime.now(UTC).isoformat())
            write_text_atomically(_path(self.directory, self.number), owner.to_json())


def claim(
    directory: Path,
    *,
    job_is_live: Callable[[str], bool | None] = lambda _job: None,
    locked_seconds: float = LOCKED_SECONDS,
) -> DriverLease:
    """Become the driver of the run whose generations are in `directory`.

    `job_is_live` reports whether a Slurm job is still queued or running (None: unknown). Raises EnvironmentProblem if
    another driver is alive, naming it; if that is unknown because its file is damaged; and if `directory` cannot be
    written.
    """
    while True:
        number = _next_number(directory, locked_seconds)
        if owner := live_owner(directory, job_is_live=job_is_live):
            raise EnvironmentProblem(f"another driver is running this sweep: {owner}")
        try:
            if _create(directory, number):
                return DriverLease(directory=directory, number=number)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write to {directory}: {error.strerror}") from error


def live_owner(
    directory: Path,
    *,
    job_is_live: Callable[[str], bool | None] = lambda _job: None,
    patience: float = STALE_AFTER,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> DriverRecord | None:
    """The newest driver if it is still alive, else None.

    On the same host and boot, the process itself decides; for a Slurm job, `job_is_live`; if neither is known, the
    heartbeat must move within `patience` seconds.
    """
    owner = _newest(directory)
    if owner is None or owner.ended_at is not None:
        return None
    if owner.boot_id == _boot_id():
        return owner if process_lives(owner) else None
    job = owner.slurm_job_id
    if job and job == os.environ.get("SLURM_JOB_ID"):
        return None  # this very job, requeued
    live = job_is_live(job) if job else None
    if live is None:
        live = _heartbeat_moves(directory, patience, clock, sleep)
    return owner if live else None


def owner_here(directory: Path) -> DriverRecord | None:
    """The newest driver if its process is alive on this machine, else None. Never waits."""
    owner = _newest(directory)
    if owner is None or owner.ended_at is not None or owner.boot_id != _boot_id():
        return None
    return owner if process_lives(owner) else None


def owner_is_gone(directory: Path) -> bool:
    """Whether this machine knows that the newest driver's process has died; False if it cannot tell."""
    owner = _newest(directory)
    return owner is not None and owner.boot_id == _boot_id() and not process_lives(owner)


def newest_generation(directory: Path) -> int:
    """The number of the newest driver; 0 if there was none."""
    return max(_numbers(directory), default=0)


def process_lives(owner: DriverRecord) -> bool:
    """Whether the process of a driver on this machine still exists."""
    try:
        process = psutil.Process(owner.pid)
        same = abs(process.create_time() - owner.process_started) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _heartbeat_moves(
    directory: Path, patience: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> bool:
    def heartbeat() -> bytes:
        try:
            return (directory / "heartbeat.json").read_bytes()
        except OSError:
            return b""

    first, deadline = heartbeat(), clock() + patience
    while clock() < deadline:
        sleep(min(1.0, patience / 10))
        if heartbeat() != first:
            return True
    return False


def _create(directory: Path, number: int) -> bool:
    """Create the file of generation `number` atomically; False if another driver was first."""
    process = psutil.Process()
    owner = DriverRecord(
        pid=process.pid,
        process_started=process.create_time(),
        boot_id=_boot_id(),
        host=socket.gethostname(),
        slurm_job_id=os.environ.get("SLURM_JOB_ID"),
        started_at=datetime.now(UTC).isoformat(),
    )
    temporary = directory / f".claim.{socket.gethostname()}.{process.pid}"
    temporary.write_text(owner.to_json(), encoding="utf-8")
    try:
        os.link(temporary, _path(directory, number))
    except FileExistsError:
        return False
    except OSError:  # no hard links here (exFAT, sshfs), or a fault that the next line meets too
        return _create_without_links(temporary, _path(directory, number))
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _create_without_links(temporary: Path, path: Path) -> bool:
    """Do the same with a lock file, whose creator alone may rename the file. Locks are kept: numbers are used once."""
    try:
        os.close(os.open(path.with_suffix(_LOCK), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    temporary.replace(path)
    return True


def _next_number(directory: Path, locked_seconds: float) -> int:
    """The number after all existing ones. A locked number may be about to appear: wait `locked_seconds` for it.

    A driver that died between lock and file leaves a number that is never used.
    """
    deadline = time.monotonic() + locked_seconds
    while True:
        locked, newest = max(_numbers(directory, _LOCK), default=0), newest_generation(directory)
        if locked <= newest or time.monotonic() > deadline:
            return max(locked, newest) + 1
        time.sleep(0.05)


def _numbers(directory: Path, suffix: str = ".json") -> list[int]:
    found = directory.glob(f"[0-9]*{suffix}")
    return [int(path.stem) for path in found if re.fullmatch("[0-9]+", path.stem)]


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:06d}.json"


def _newest(directory: Path) -> DriverRecord | None:
    """The record of the newest driver; None if there was none."""
    number = newest_generation(directory)
    return _read(directory, number) if number else None


def _read(directory: Path, number: int) -> DriverRecord:
    """The record of a driver. Raises DamagedFile if the file holds no such record, OSError if it cannot be read."""
    path = _path(directory, number)
    owner = read_json(path, DriverRecord, remedy="if no driver is running, remove the file")
    if owner is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return owner


def _boot_id() -> str:
    """Identifies this boot of this host, and the PID namespace within it: there, process ids can be compared."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {psutil.boot_time():.0f}"
