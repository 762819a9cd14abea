"""Runs in the lab: started as a user would on a login node, watched through files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.machine.scratch import remove_stale
from cluster.slurm.files import SlurmFiles
from cluster.slurm.records import HeadState
from fdt_core.results.equality import run_differences
from lab.slurm.slurm_lab import SlurmLab
from lab.slurm.waiting import wait_for

FDT_SWEEP = [sys.executable, "-m", "orchestrator"]

SWEEP = """\
name: small
models: [vgg11]
width: 0.0625
templates: [base, c]
datasets: [digits]
seeds: 4
recipe: {base: quick, epochs: 4, batch_size: 64, flip: false}
checkpoint_interval: 0
"""

LONGER_SWEEP = SWEEP.replace("epochs: 4", "epochs: 18")
"""Long enough to inject faults into: 35 s on two cores, and some 20 s more until three workers have joined."""


def write_profile(path: Path, lab: SlurmLab, **keys: Any) -> Path:
    """Write a profile for the lab: three workers with one GPU each, unless `keys` say otherwise."""
    profile = {
        "kind": "slurm",
        "device": "cpu",
        "gpus_per_node": 1,
        "cpus_per_gpu": 1,
        "mem": "1500M",
        "max_workers": 3,
        "time": "00:10:00",
        "scratch": str(lab.scratch),
        "network_interface": "lab0",
        "notice_seconds": 9,
        "head": {"cpus": 1, "mem": "2G"},
    }
    path.write_text(yaml.safe_dump(profile | keys))
    return path


@dataclass(frozen=True, kw_only=True)
class SlurmRun:
    """One sweep in a separate directory.

    Args:
        lab: where it runs.
        directory: holds its sweep file, profile and runs directory.
        data: prepared data.
        sweep: the text of its sweep file.
    """

    lab: SlurmLab
    directory: Path
    data: Path
    sweep: str = SWEEP

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory / "runs" / "small"

    @property
    def files(self) -> SlurmFiles:
        """The run's Slurm files."""
        return SlurmFiles(self.path / "slurm")

    def command(self, *arguments: str, **keys: Any) -> list[str]:
        """The command that launches the sweep, with a profile of these `keys`; both files are written."""
        (self.directory / "small.yaml").write_text(self.sweep)
        write_profile(self.directory / "lab.yaml", self.lab, **keys)
        return self._launch_command(*arguments)

    def launch(self, *arguments: str, expect: int = 0, **keys: Any) -> str:
        """Launch the sweep in the lab; it must exit with `expect`. Returns what the command printed."""
        done = self.lab.run(*self.command(*arguments, **keys), check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def launch_again(self) -> None:
        """Repeat the last launch with its profile; networks are not measured."""
        self.lab.run(*self._launch_command("--no-profile"))

    def _launch_command(self, *arguments: str) -> list[str]:
        options = {
            "--cluster": self.directory / "lab.yaml",
            "--runs-dir": self.directory / "runs",
            "--data-dir": self.data,
        }
        flags = [str(part) for option in options.items() for part in option]
        return [*FDT_SWEEP, "launch", str(self.directory / "small.yaml"), *flags, *arguments]

    def fdt_sweep(self, command: str, *arguments: str) -> str:
        """What another command of `fdt-sweep`, run in the lab, prints about this run."""
        return self.lab.run(*FDT_SWEEP, command, str(self.path), *arguments).stdout

    def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        found: dict[str, Any] = json.loads(self.fdt_sweep("status", "--json"))
        return found

    def is_over(self) -> bool:
        """Whether the head has reported that nothing more will run."""
        head = self.files.read_head()
        return head is not None and head.state == HeadState.CLOSED

    def await_end(self) -> None:
        """Wait until the sweep is over; no trial may be left."""
        followed = self.lab.run(*FDT_SWEEP, "status", str(self.path), "--follow", check=False)
        assert self.status()["progress"]["left"] == 0, followed.stdout[-2000:] + followed.stderr[-2000:]

    def differences(self, reference: Path) -> list[str]:
        """How the done rows differ from those of the run at `reference`."""
        return run_differences(self.path / "results", reference / "results")


def run_locally(directory: Path, data: Path, *arguments: str, text: str = SWEEP) -> Path:
    """Run the same sweep on this machine, undisturbed; returns its run directory."""
    sweep = directory / "small.yaml"
    sweep.write_text(text)
    options = ["--runs-dir", directory / "runs", "--data-dir", data]
    subprocess.run([*FDT_SWEEP, "launch", *map(str, [sweep, *options]), *arguments], check=True, capture_output=True)
    return directory / "runs" / "small"


def assert_nothing_left(lab: SlurmLab, *, after_power_cut: bool = False) -> None:
    """Assert that no job, process, open port or temporary directory of a sweep is left, and that all nodes are idle.

    After a power cut, when nothing of a job could clean up, its temporary directory stays until the next job of the
    same user starts there. No job may have started since, so what the next one would remove does not count.
    """
    wait_for(lambda: not lab.live_jobs() and not lab.other_processes(), "all jobs and processes are gone", 20)
    await_idle_nodes(lab, 120)  # Slurm waits for a node that crashed to answer again
    assert lab.listening_ports() == lab.slurm_ports
    parents = list(lab.scratch.iterdir())
    if after_power_cut:
        for parent in parents:
            remove_stale(parent)
    assert [path for parent in parents for path in parent.iterdir()] == []


def await_idle_nodes(lab: SlurmLab, seconds: float) -> None:
    """Wait until every node is idle. After `seconds`, raises TimeoutError with what Slurm says of its nodes."""
    try:
        wait_for(lambda: lab.node_states() == ["idle"] * lab.nodes, "all nodes are idle", seconds)
    except TimeoutError as error:
        error.add_note(lab.run("scontrol", "show", "node", check=False).stdout)
        error.add_note(lab.run("squeue", "--states=all", check=False).stdout)
        raise
