"""Real sweeps for the tests: started as a user starts them, watched through files, and killed by tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cluster.machine.processes import end_session, start_session
from cluster.machine.resources import NodeResources
from cluster.ray_nodes.ray_node import join_command, ray_environment
from fdt_core.datasets.prepared import prepared_digest
from lab.isolation import isolated, within_network_of
from orchestrator.plan.resolve import plan_sweep
from orchestrator.trial.order import TrialOrder, TrialSettings

SWEEP = """\
name: small
models: [vgg11]
width: 0.125
templates: [base, c]
datasets: [digits]
seeds: 2
recipe: {base: quick, epochs: 8, batch_size: 64, flip: false}
checkpoint_interval: 0
"""

FDT_SWEEP = [sys.executable, "-m", "orchestrator"]


def fdt_sweep(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command that starts no server, run to its end."""
    return subprocess.run([*FDT_SWEEP, *arguments], capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a test's sweeps read and write."""

    directory: Path
    data: Path

    def sweep_file(self, text: str = SWEEP) -> Path:
        """The sweep file, written."""
        path = self.directory / "small.yaml"
        path.write_text(text)
        return path

    @property
    def run(self) -> Path:
        """The run directory of the sweep."""
        return self.directory / "runs" / "small"

    def command(self, *arguments: str) -> list[str]:
        """`fdt-sweep launch` of the sweep file with these further arguments, isolated from other processes."""
        profile = [] if "--profile" in arguments else ["--no-profile"]
        options = ["--runs-dir", str(self.directory / "runs"), "--data-dir", str(self.data)]
        return isolated([*FDT_SWEEP, "launch", str(self.directory / "small.yaml"), *options, *arguments, *profile])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a launch in a separate session."""
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def launch(self, *arguments: str, expect: int = 0) -> str:
        """Run a launch to its end; returns what it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == expect, output
        return output

    def status(self) -> dict[str, Any]:
        """`status.json`, empty before there is one."""
        try:
            data: dict[str, Any] = json.loads((self.run / "status.json").read_text())
        except FileNotFoundError:
            return {}
        return data


def trial_order(place: Place, *settings: str) -> TrialOrder:
    """The order to train the first trial of the small sweep, for which digits are prepared, on the CPU."""
    cell = plan_sweep(place.directory / "small.yaml", settings).cells[0]
    return TrialOrder(
        settings=TrialSettings(
            run_directory=str(place.run),
            data_directory=str(place.data),
            device="cpu",
            checkpoint_interval=3600,
            keep="none",
        ),
        trial_id=cell.trial_id,
        spec=cell.spec.to_json(),
        attempt=1,
        dataset_digest=prepared_digest("digits", place.data),
    )


def wait_until(happened: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def driver_process(launched: subprocess.Popen[str]) -> psutil.Process:
    """The process of the driver itself, which what was launched has become."""
    process = psutil.Process(launched.pid)
    assert "orchestrator" in process.cmdline(), f"{process.cmdline()} is not a driver"
    return process


def actors(launched: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that train for a launch on its own node."""
    return actors_below(driver_process(launched))


def actors_below(parent: psutil.Process) -> list[psutil.Process]:
    """The processes that train among all that a process has started."""
    found = []
    for process in parent.children(recursive=True):
        try:
            if any("SweepTrial" in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def second_node(launched: subprocess.Popen[str]) -> Iterator[psutil.Process]:
    """A second Ray node of one CPU on this host, joined to the Ray of a launch; yields its raylet."""
    (first,) = raylets(driver_process(launched))
    environment = first.environ()
    token = Path(environment["RAY_AUTH_TOKEN_PATH"])
    (address,) = [part.partition("=")[2] for part in first.cmdline() if part.startswith("--gcs-address=")]
    resources = NodeResources(cpus=1, gpus=0, memory=2**30, object_store=100 * 2**20)
    with tempfile.TemporaryDirectory(prefix="fdt", ignore_cleanup_errors=True) as directory:
        command = join_command(address, resources, Path(directory), None, job="second")
        node = start_session(
            within_network_of(launched.pid, command),
            environment=ray_environment(token, environment),
            output=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: raylets(psutil.Process(node.pid)), seconds=60)
            yield raylets(psutil.Process(node.pid))[0]
        finally:
            end_session(node, patience=10)


def raylets(process: psutil.Process) -> list[psutil.Process]:
    """The raylets that a process has started."""
    return [child for child in process.children(recursive=True) if child.name() == "raylet"]


def kill(process: psutil.Process) -> None:
    """Send SIGKILL to a living process; returns when it is gone."""
    assert is_alive(process), f"{process} had ended before it was killed"
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(process), seconds=30)


def is_alive(process: psutil.Process) -> bool:
    """Whether the process has not ended yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def has_begun(place: Place, epochs: int = 1) -> bool:
    """Whether a running trial has reached `epochs` epochs."""
    return any(trial["epoch"] >= epochs for trial in place.status().get("running", []))


def saved_trials(place: Place) -> set[str]:
    """The trials that have saved their state and wait to be resumed."""
    return {path.parent.name for path in (place.run / "checkpoints").glob("*/working-*.pt")}


def descendants(launched: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that a launch has started so far."""
    return driver_process(launched).children(recursive=True)
