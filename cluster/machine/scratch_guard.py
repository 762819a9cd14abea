"""Guards one scratch directory from a separate process, and cleans up when the owner ends, however it ends.

Run as a script, with the standard library only, so that it starts quickly and stays small:
`python -IS scratch_guard.py DIRECTORY`. Standard input is a pipe whose other end the owner holds; its end of file means
that the owner has ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def users_of(directory: str, *, but: frozenset[int] = frozenset()) -> list[int]:
    """Process ids of this user's processes that have a file below `directory` open for writing, except those in `but`.

    All of Ray's processes have their log there. Environments and names are unreliable: Ray's agents overwrite theirs.
    """
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if pid not in but and any(path.startswith(directory) for path in _written_by(pid))]


def end_and_remove(directory: str, *, but: frozenset[int], patience: float = 10.0) -> None:
    """Kill all processes that write below `directory`, except those in `but`, for up to `patience` s, and remove it."""
    deadline = time.monotonic() + patience
    while (found := users_of(directory + "/", but=but)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(directory, ignore_errors=True)


def _written_by(pid: int) -> Iterator[str]:
    """Paths that the process has open for writing; none if it has ended or belongs to another user."""
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if descriptor.lstat().st_mode & 0o200:
                    yield str(descriptor.readlink())


def main() -> None:
    """Wait for the owner's end, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    spared = frozenset({os.getpid(), os.getppid()})
    sys.stdin.buffer.read()
    end_and_remove(sys.argv[1], but=spared)


if __name__ == "__main__":
    main()
