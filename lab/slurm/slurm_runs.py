"""Runs in the lab: started as a user on a login node starts them, watched through files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.slurm.files import SlurmFiles
from fdt_core.results.equality import run_differences
from lab.slurm.slurm_lab import SlurmLab, wait_for

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

LONGER_SWEEP = SWEEP.replace("epochs: 4", "epochs: 25")
"""Long enough for faults to hit it: about a minute on two cores."""


def write_profile(path: Path, lab: SlurmLab, **keys: Any) -> Path:
    """A profile for the lab: three workers with one GPU each, unless `keys` say otherwise."""
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
    """One sweep in a directory of its own.

    Args:
        lab: where it runs.
        directory: its sweep file, profile and runs directory lie here.
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
        """`fdt-sweep launch` of the small sweep, with a profile of these `keys`."""
        (self.directory / "small.yaml").write_text(self.sweep)
        write_profile(self.directory / "lab.yaml", self.lab, **keys)
        return self._launch_command(*arguments)

    def launch(self, *arguments: str, expect: int = 0, **keys: Any) -> str:
        """SlurmLaunch in the lab; returns what it printed, which ends when the launch returns."""
        done = self.lab.run(*self.command(*arguments, **keys), check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def launch_again(self) -> None:
        """The same launch once more, with the profile of the last one; networks are not measured."""
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
        """What another command of `fdt-sweep` prints about this run, from outside the lab or within."""
        return self.lab.run(*FDT_SWEEP, command, str(self.path), *arguments).stdout

    def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        found: dict[str, Any] = json.loads(self.fdt_sweep("status", "--json"))
        return found

    def is_over(self) -> bool:
        """Whether the head has said that nothing more will run."""
        head = self.files.read_head()
        return head is not None and head.state == "closed"

    def await_end(self) -> None:
        """Wait until the sweep is over; it must have done all its trials."""
        followed = self.lab.run(*FDT_SWEEP, "status", str(self.path), "--follow", check=False)
        assert self.status()["progress"]["left"] == 0, followed.stdout[-2000:] + followed.stderr[-2000:]

    def differences(self, reference: Path) -> list[str]:
        """How the done rows differ from those of the run at `reference`."""
        return run_differences(self.path / "results", reference / "results")


def run_locally(directory: Path, data: Path, *arguments: str, text: str = SWEEP) -> Path:
    """The same sweep on this machine, undisturbed; returns its run directory."""
    sweep = directory / "small.yaml"
    sweep.write_text(text)
    options = ["--runs-dir", directory / "runs", "--data-dir", data]
    subprocess.run([*FDT_SWEEP, "launch", *map(str, [sweep, *options]), *arguments], check=True, capture_output=True)
    return directory / "runs" / "small"


def assert_nothing_left(lab: SlurmLab) -> None:
    """No job in the queue, no process, no port, no temporary directory of a sweep."""
    wait_for(lambda: not lab.live_jobs() and not lab.foreign_processes(), "all jobs and processes are gone", 20)
    assert lab.listening_ports() == lab.own_ports
    assert [path for parent in lab.scratch.iterdir() for path in parent.iterdir()] == []
