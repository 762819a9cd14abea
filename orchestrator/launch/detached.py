"""A local driver detached from the terminal: started in a separate session, ended from any terminal of its machine."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from cluster.machine.processes import python_command
from fdt_core.errors import Terminated
from fdt_core.exit_codes import ExitCode
from fdt_core.files.json_file import DamagedFile
from orchestrator.launch.outcome import LaunchAction, LaunchOutcome
from orchestrator.run.driver_lease import DriverLease, DriverRecord, process_lives
from orchestrator.run.launch_record import Launch
from orchestrator.run.run_directory import RunDirectory

_POLL_SECONDS = 0.1


def start_detached(
    launch: Launch, lease: DriverLease, options: Sequence[str], say: Callable[[str], None]
) -> LaunchOutcome:
    """Freeze the launch for a driver that outlives this process and its terminal, start it, and report how to watch it.

    `options` are those of `fdt-sweep drive`. The exit code is 0 once the driver is active. If it ended before that, the
    exit code is its own, and what it printed is shown. If it could not start, the previous plan is restored.
    """
    launch.parts.forget("epochs")  # the driver reads them in its own process
    run, before = launch.run, launch.run.frozen_files()
    launch.freeze()
    lease.release()
    run.driver_log.touch()
    offset = run.driver_log.stat().st_size
    with run.driver_log.open("ab") as output:
        process = subprocess.Popen(
            python_command("orchestrator", "drive", str(run.path), *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while process.poll() is None and not _is_active(run, process.pid):
            time.sleep(_POLL_SECONDS)
    except (KeyboardInterrupt, Terminated):
        say(f"stopped waiting; process {process.pid} continues to start. End it with: fdt-sweep cancel {run.path}")
        raise
    if process.returncode is not None:
        say(run.driver_log.read_bytes()[offset:].decode(errors="replace").rstrip())
        if process.returncode < 0:
            say(f"the driver was ended by {signal.Signals(-process.returncode).name}")
        status = ExitCode.INTERRUPTED if process.returncode < 0 else process.returncode
        if _is_active(run, process.pid):
            return LaunchOutcome(action=LaunchAction.RAN, exit_code=status)
        if status in (ExitCode.DONE, ExitCode.FAILED):
            return LaunchOutcome(action=LaunchAction.NOTHING_TO_DO, exit_code=status)
        run.restore(before)
        return LaunchOutcome(action=LaunchAction.COULD_NOT_START, exit_code=status)
    path = shlex.quote(str(run.path))
    say(
        f"started: process {process.pid}\n"
        f"  watch:   fdt-sweep status {path} --follow\n"
        f"  output:  fdt-sweep logs {path} driver --follow\n"
        f"  end:     fdt-sweep cancel {path}"
    )
    return LaunchOutcome(action=LaunchAction.STARTED, exit_code=ExitCode.DONE, process=process.pid)


def _is_active(run: RunDirectory, pid: int) -> bool:
    """Whether the driver with this process id has written a status: from then on it is active."""
    with suppress(DamagedFile):  # left by an earlier driver
        status = run.status()
        return status is not None and status.driver.pid == pid
    return False


def end_driver(owner: DriverRecord, say: Callable[[str], None]) -> None:
    """Ask the driver `owner`, which runs on this machine, to stop, and wait until it has."""
    say(f"asking process {owner.pid} to stop: running trials save their state (Ctrl-C only stops waiting)")
    os.kill(owner.pid, signal.SIGTERM)
    while process_lives(owner):
        time.sleep(_POLL_SECONDS)
