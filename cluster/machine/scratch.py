"""Node-local temporary directories that are private, have short paths, and disappear with their owner."""

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
    """A new empty directory below `parent`/fdt-UID (0700); removes this user's stale ones first.

    At exit, and also when this process is killed, a guard process kills every other process that writes there and
    removes the directory. The guard holds a lock (flock(2)) on the directory. A directory whose lock is free has lost
    its guard, for example in a power cut, and is stale.

    Raises EnvironmentProblem if `parent` is missing, too long, on a network file system, or not safe to use.
    """
    directory = private_parent(parent)
    remove_stale(directory)
    path, lock = _new_locked_directory(directory)
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
    """The directory `parent`/fdt-UID, created if missing; `parent` may hold $VARIABLES. Raises EnvironmentProblem."""
    base = Path(os.path.expandvars(parent))
    path = base / f"fdt-{os.getuid()}"
    _check_usable(base, path)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise EnvironmentProblem(
            f"{path} must be a directory of yours with mode 0700; remove it, or name another `scratch` in the profile"
        )
    return path


def remove_stale(parent: Path) -> list[Path]:
    """Remove the scratch directories in `parent` that have no guard any more; returns their paths."""
    removed = []
    for path in parent.iterdir():
        lock = _try_lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
            removed.append(path)
    return removed


def file_system_of(path: Path) -> str:
    """Type of the file system that `path` is on, such as ext4, tmpfs or nfs4; `unknown` if the kernel hides it."""
    resolved = path.resolve()
    mounts = [mount for mount in psutil.disk_partitions(all=True) if resolved.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def _check_usable(base: Path, parent: Path) -> None:
    fix = "; name another `scratch` in the profile"
    if not base.is_dir() or not os.access(base, os.W_OK):
        raise EnvironmentProblem(f"cannot write to the scratch directory {base}{fix}")
    length = len(str(parent)) + len("/abcdef")
    if length > LONGEST_PATH:
        raise EnvironmentProblem(
            f"the path {parent}/... has {length} characters, Ray's sockets allow {LONGEST_PATH}{fix}"
        )
    if (kind := file_system_of(base)) in _NETWORK_FILE_SYSTEMS:
        raise EnvironmentProblem(f"{base} is on a network file system ({kind}), where Ray's sockets fail{fix}")


def _new_locked_directory(parent: Path) -> tuple[Path, int]:
    while True:
        path = parent / secrets.token_hex(3)
        path.mkdir(mode=0o700)
        lock = _try_lock(path)
        if lock is not None and path.is_dir():
            return path, lock
        # Another process of this user took it for stale in the instant before it was locked: try again.
        if lock is not None:
            os.close(lock)


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a directory; None if another process holds it or removed the directory."""
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
