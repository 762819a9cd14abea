"""A local driver apart from the terminal: started in a session of its own, ended from any terminal of its machine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cluster.processes import python_command
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
            python_command("orchestrator", "drive", str(run.path), *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while process.poll() is None and run.status().get("driver", {}).get("pid") != process.pid:
        time.sleep(_POLL_SECONDS)
    if process.returncode is not None:
        say(run.driver_log.read_bytes()[begin:].decode(errors="replace").rstrip())
        return process.returncode
    path = shlex.quote(str(run.path))
    say(
        f"started: process {process.pid}\n"
        f"  watch:   fdt-sweep status {path} --follow\n"
        f"  output:  fdt-sweep logs {path} driver --follow\n"
        f"  end:     fdt-sweep cancel {path}"
    )
    return 0


def end_driver(owner: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Tell the driver `owner`, which lives on this machine, to stop, and wait until it has."""
    say(f"telling process {owner['pid']} to stop: running trials save their state (Ctrl-C leaves, and it goes on)")
    os.kill(owner["pid"], signal.SIGTERM)
    while process_lives(owner):
        time.sleep(_POLL_SECONDS)
