"""One driver per run directory, by generations.

Each driver makes a file with the next number; the file system lets exactly one succeed. A driver writes results only
while no higher number exists, so one that was paused and overtaken writes nothing more.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired

import psutil
from typing_extensions import TypedDict

from fdt_core.errors import EnvironmentProblem
from fdt_core.files.atomic_files import write_text_atomically
from fdt_core.files.json_file import DamagedFile, read_json

STALE_AFTER = 90.0
"""Seconds of the observer's own clock without a heartbeat, after which an unreachable driver counts as gone."""

_LOCK = ".lock"
_LOCKED_SECONDS = 5.0
"""From the lock file to the generation's own it takes a moment; after so long, who made it is dead."""


class Owner(TypedDict):
    """What a driver writes of itself into its file."""

    pid: int
    process_started: float
    """Seconds since the epoch."""
    boot_id: str
    host: str
    slurm_job_id: str | None
    started_at: str
    ended_at: NotRequired[str]


class Overtaken(EnvironmentProblem):
    """Another driver has taken over this run directory: nothing more may be written."""


@dataclass(frozen=True, kw_only=True)
class DriverLease:
    """The right to write results, held until a higher generation appears."""

    directory: Path
    number: int

    def check(self) -> None:
        """Raise Overtaken where a higher generation exists."""
        highest = max(_numbers(self.directory), default=0)
        if highest > self.number:
            owner = describe(_read(self.directory, highest))
            raise Overtaken(f"another driver has taken over this run ({owner}): this one writes nothing more")

    def beat(self, counter: int) -> None:
        """Show observers on other hosts that this driver lives."""
        write_text_atomically(self.directory / "heartbeat.json", json.dumps([self.number, counter]))

    def release(self) -> None:
        """Say that this driver has ended, so that the next one need not find out."""
        with suppress(DamagedFile):  # then the next one must be told to look by itself
            owner = _read(self.directory, self.number) | {"ended_at": datetime.now(UTC).isoformat()}
            write_text_atomically(_path(self.directory, self.number), json.dumps(owner))


def claim(directory: Path, *, job_is_live: Callable[[str], bool | None] = lambda _job: None) -> DriverLease:
    """Become the driver of the run whose generations lie in `directory`.

    `job_is_live` tells of a Slurm job whether it is still queued or running (None: cannot be known). Raises
    EnvironmentProblem where another driver lives, naming it, where that cannot be known because its file is damaged,
    and where `directory` cannot be written.
    """
    while True:
        number = _next_number(directory)
        if owner := live_owner(directory, job_is_live=job_is_live):
            raise EnvironmentProblem(f"another driver is at work on this run: {describe(owner)}")
        try:
            if _create(directory, number):
                return DriverLease(directory=directory, number=number)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write to {directory}: {error.strerror}") from error


def live_owner(
    directory: Path, *, job_is_live: Callable[[str], bool | None] = lambda _job: None, patience: float = STALE_AFTER
) -> dict[str, Any] | None:
    """The newest driver if it still lives, else None.

    On the same host and boot the process itself is looked for; a Slurm job is asked for by `job_is_live`; where
    neither can be known, the heartbeat must move within `patience` seconds.
    """
    owner = _newest(directory)
    if not owner or "ended_at" in owner:
        return None
    if owner.get("boot_id") == _boot_id():
        return owner if process_lives(owner) else None
    job = owner.get("slurm_job_id")
    if job and job == os.environ.get("SLURM_JOB_ID"):
        return None  # this very job, requeued
    live = job_is_live(job) if job else None
    if live is None:
        live = _heartbeat_moves(directory, patience)
    return owner if live else None


def owner_here(directory: Path) -> dict[str, Any] | None:
    """The newest driver if its process lives on this machine, else None. Never waits."""
    owner = _newest(directory)
    here = owner.get("boot_id") == _boot_id() and "ended_at" not in owner
    return owner if here and process_lives(owner) else None


def owner_is_gone(directory: Path) -> bool:
    """Whether this machine knows that the newest driver's process has died; False where it cannot tell."""
    owner = _newest(directory)
    return owner.get("boot_id") == _boot_id() and not process_lives(owner)


def process_lives(owner: Mapping[str, Any]) -> bool:
    """Whether the process of a driver of this machine is still there."""
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["process_started"]) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def describe(owner: Mapping[str, Any]) -> str:
    """How people are told of a driver."""
    job = f", Slurm job {owner['slurm_job_id']}" if owner.get("slurm_job_id") else ""
    return f"process {owner['pid']} on {owner['host']}{job}, since {owner['started_at']}"


def _heartbeat_moves(directory: Path, patience: float) -> bool:
    def heartbeat() -> bytes:
        try:
            return (directory / "heartbeat.json").read_bytes()
        except OSError:
            return b""

    first, deadline = heartbeat(), time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(min(1.0, patience / 10))
        if heartbeat() != first:
            return True
    return False


def _create(directory: Path, number: int) -> bool:
    """Make the file of generation `number`, whole at once; False where another driver was first."""
    process = psutil.Process()
    owner = {
        "pid": process.pid,
        "process_started": process.create_time(),
        "boot_id": _boot_id(),
        "host": socket.gethostname(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "started_at": datetime.now(UTC).isoformat(),
    }
    temporary = directory / f".claim.{socket.gethostname()}.{process.pid}"
    temporary.write_text(json.dumps(owner), encoding="utf-8")
    try:
        os.link(temporary, _path(directory, number))
    except FileExistsError:
        return False
    except OSError:  # no hard links here (exFAT, sshfs), or a fault that what follows meets again
        return _create_without_links(temporary, _path(directory, number))
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _create_without_links(temporary: Path, path: Path) -> bool:
    """The same by a lock file: it lets exactly one give the whole file its name. It stays: numbers are used once."""
    try:
        os.close(os.open(path.with_suffix(_LOCK), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    temporary.replace(path)
    return True


def _next_number(directory: Path) -> int:
    """The number after all that exist. One that is locked may be about to appear: it is awaited for a while.

    A driver that died between the two leaves a number that is never used.
    """
    deadline = time.monotonic() + _LOCKED_SECONDS
    while True:
        locked, newest = max(_numbers(directory, _LOCK), default=0), max(_numbers(directory), default=0)
        if locked <= newest or time.monotonic() > deadline:
            return max(locked, newest) + 1
        time.sleep(0.05)


def _numbers(directory: Path, suffix: str = ".json") -> list[int]:
    found = directory.glob(f"[0-9]*{suffix}")
    return [int(path.stem) for path in found if re.fullmatch("[0-9]+", path.stem)]


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:06d}.json"


def _newest(directory: Path) -> dict[str, Any]:
    """What the newest driver wrote of itself, with its number as `lease`; empty where there was none."""
    number = max(_numbers(directory), default=0)
    return {"generation": number, **_read(directory, number)} if number else {}


def _read(directory: Path, number: int) -> dict[str, Any]:
    """What the driver wrote. Raises DamagedFile where that is no such record, OSError where it cannot be read."""
    path = _path(directory, number)
    owner = read_json(path, Owner, remedy="if no driver is at work on this run, remove the file")
    if owner is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return dict(owner)


def _boot_id() -> str:
    """Identifies this boot of this host, and within it the processes that can see each other's ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {psutil.boot_time():.0f}"
