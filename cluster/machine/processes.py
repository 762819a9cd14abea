"""Child processes that cannot outlive their parent, and how to end them with all their descendants."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; strictly, the thread that started it (prctl(2))."""
    if _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


@contextlib.contextmanager
def stop_signals_held_back() -> Iterator[None]:
    """Block SIGTERM and SIGHUP for the processes that start meanwhile, and for their children (signal(7)).

    At the end of a job Slurm sends SIGTERM to all of its processes at once; `timeout` and a terminal that closes signal
    a whole process group. Ray's processes would end before the trials have saved. Their owner gets the signal too, and
    decides when they end.

    This process gets its handlers back at exit, as `ray.init` sets one for SIGTERM that exits. Signals that arrived
    meanwhile are handled then. Call it from the main thread.
    """
    numbers = (signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # it was not set by Python
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def python_command(module: str, *arguments: str, python: str | None = None) -> list[str]:
    """The command that runs a module of the installation, with this Python unless `python` names another.

    No file in the current directory or on PYTHONPATH can shadow what the module imports.
    """
    return [python or sys.executable, "-P", "-u", "-m", "fdt_core.start", module, *arguments]


def start_session(
    command: Sequence[str], *, environment: Mapping[str, str], output: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Start `command` as the leader of a new session that dies with this process.

    Call it from the main thread: the kernel ties the child to the thread that starts it.
    """
    return subprocess.Popen(
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def end_session(process: subprocess.Popen[bytes], *, patience: float) -> None:
    """End the session that `process` leads: SIGTERM to the leader, and SIGKILL to all that is left `patience` s later.

    Members that were re-parented to init or have started a process group are found by their session id.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    deadline = time.monotonic() + 10
    while (members := session_members(process.pid)) and time.monotonic() < deadline:
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.05)
    process.wait()


def session_members(session: int) -> list[int]:
    """Process ids of the living members of a session (zombies excluded)."""
    return [pid for pid in psutil.pids() if _session_of(pid) == session]


def process_title(pid: int) -> str:
    """The command line that the process shows, which it may have changed; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _session_of(pid: int) -> int | None:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return None
    return None if after_name[0] in "ZX" else int(after_name[3])
