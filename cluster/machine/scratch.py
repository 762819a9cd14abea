"""Node-local temporary directories of our own: private, short, and gone when their owner is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from cluster.machine import scratch_guard as guard
from fdt_core.errors import EnvironmentProblem

LONGEST_PATH = 40
"""Ray appends about 64 characters to reach its sockets, and a socket's path has at most 107 (unix(7))."""

_NETWORK_FILE_SYSTEMS = frozenset(
    ["9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "smb3"]
)


@contextlib.contextmanager
def scratch_directory(parent: str) -> Iterator[Path]:
    """A new empty directory below `parent`/fdt-UID (0700); this user's stale ones are removed first.

    At exit, and also when this process is killed, every other process that writes there is killed and the directory
    removed: a guard process sees to it, and holds a lock (flock(2)) on the directory. One whose lock is free has lost
    its guard, by a power cut, say.

    Raises EnvironmentProblem where `parent` is missing, too long, on a network file system, or not safe to use.
    """
    ours = private_parent(parent)
    remove_stale(ours)
    path, lock = _new_locked_directory(ours)
    watcher = subprocess.Popen(
        [sys.executable, "-IS", guard.__file__, str(path)],
        stdin=subprocess.PIPE,
        pass_fds=[lock],
        start_new_session=True,
        env={},
    )
    os.close(lock)
    try:
        yield path
    finally:
        watcher.communicate()


def private_parent(parent: str) -> Path:
    """The directory `parent`/fdt-UID, made if need be; `parent` may hold $VARIABLES. Raises EnvironmentProblem."""
    base = Path(os.path.expandvars(parent))
    ours = base / f"fdt-{os.getuid()}"
    _check_usable(base, ours)
    with contextlib.suppress(FileExistsError):
        ours.mkdir(mode=0o700)
    found = ours.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise EnvironmentProblem(
            f"{ours} must be a directory of yours with mode 0700; remove it, or name another `scratch` in the profile"
        )
    return ours


def remove_stale(ours: Path) -> list[Path]:
    """Remove the directories in `ours` whose owners died without doing so; returns their paths."""
    removed = []
    for path in ours.iterdir():
        lock = _try_lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
            removed.append(path)
    return removed


def file_system_of(path: Path) -> str:
    """Type of the file system that holds `path`, such as ext4, tmpfs or nfs4; `unknown` where the kernel hides it."""
    resolved = path.resolve()
    mounts = [mount for mount in psutil.disk_partitions(all=True) if resolved.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def _check_usable(base: Path, ours: Path) -> None:
    mend = "; name another `scratch` in the profile"
    if not base.is_dir() or not os.access(base, os.W_OK):
        raise EnvironmentProblem(f"cannot write to the scratch directory {base}{mend}")
    length = len(str(ours)) + len("/abcdef")
    if length > LONGEST_PATH:
        raise EnvironmentProblem(
            f"the path {ours}/... has {length} characters, Ray's sockets allow {LONGEST_PATH}{mend}"
        )
    if (kind := file_system_of(base)) in _NETWORK_FILE_SYSTEMS:
        raise EnvironmentProblem(f"{base} is on a network file system ({kind}), where Ray's sockets fail{mend}")


def _new_locked_directory(ours: Path) -> tuple[Path, int]:
    while True:
        path = ours / secrets.token_hex(3)
        path.mkdir(mode=0o700)
        lock = _try_lock(path)
        if lock is not None and path.is_dir():
            return path, lock
        # Another process of ours took it for stale in the instant before it was locked: begin again.
        if lock is not None:
            os.close(lock)


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a directory; None where another process holds it or removed the directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
