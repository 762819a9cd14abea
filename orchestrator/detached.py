"""A local driver apart from the terminal: started in a session of its own, ended from any terminal of its machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fdt_core.json_file import DamagedFile
from orchestrator.boundary import EXIT_INTERRUPTED, ToldToEnd
from orchestrator.generation import Generation, process_lives
from orchestrator.run_directory import RunDirectory

_POLL_SECONDS = 0.1


def start_detached(
    run: RunDirectory, generation: Generation, options: Sequence[str], say: Callable[[str], None]
) -> int:
    """Hand the right to write over to a driver that outlives this process and its terminal, and say how to watch it.

    `options` are those of `fdt-sweep drive`. Returns 0 once it is at work; its exit code where it ended before that,
    with what it said.
    """
    generation.release()
    run.driver_log.touch()
    begin = run.driver_log.stat().st_size
    with run.driver_log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "orchestrator", "drive", str(run.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while process.poll() is None and not _is_at_work(run, process.pid):
            time.sleep(_POLL_SECONDS)
    except (KeyboardInterrupt, ToldToEnd):
        say(f"left while process {process.pid} was starting; it goes on. End it with: fdt-sweep cancel {run.path}")
        raise
    if process.returncode is not None:
        say(run.driver_log.read_bytes()[begin:].decode(errors="replace").rstrip())
        if process.returncode < 0:
            say(f"the driver was ended by {signal.Signals(-process.returncode).name}")
            return EXIT_INTERRUPTED
        return process.returncode
    say(
        f"started: process {process.pid}\n"
        f"  watch:   fdt-sweep status {run.path} --follow\n"
        f"  output:  fdt-sweep logs {run.path} driver --follow\n"
        f"  end:     fdt-sweep cancel {run.path}"
    )
    return 0


def _is_at_work(run: RunDirectory, pid: int) -> bool:
    """Whether the driver with this process id has written its first status."""
    with suppress(DamagedFile):  # left by a former driver
        return bool(run.status().get("driver", {}).get("pid") == pid)
    return False


def end_driver(owner: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Tell the driver `owner`, which lives on this machine, to stop, and wait until it has."""
    say(f"telling process {owner['pid']} to stop: running trials save their state (Ctrl-C leaves, and it goes on)")
    os.kill(owner["pid"], signal.SIGTERM)
    while process_lives(owner):
        time.sleep(_POLL_SECONDS)
