"""Programs in place of Slurm's commands, which print what a test sets: answers that a real Slurm rarely gives."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

SBATCH = """\
echo "sbatch $*" >> calls
[ "$1" = --version ] && { cat version; exit 0; }
[ "$1" = --test-only ] && { cat test_only >&2; exit 0; }
[ -s refused ] && grep -q "$(cat refused)" "$1" && { cat complaint >&2; exit 1; }
id=$(( $(cat next 2>/dev/null || echo 70) + 1 )); echo $id > next
name=$(sed -n 's/^#SBATCH --job-name=//p' "$1")
task=; grep -q '^#SBATCH --array' "$1" && task=_0
echo "$id$task|$id|PENDING|$(cat reason)|$name" >> queue
sed "s/JOB/$id/" answer
cat complaint >&2
exit $(cat status)
"""
SQUEUE = """\
echo "squeue $*" >> calls
case "$*" in *%L*) cat left; exit 0;; esac
[ -e down ] && { echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1; }
cat notice; [ -e hidden ] || cat queue
"""
SCANCEL = """\
echo "scancel $*" >> calls
for id in "$@"; do case $id in -*) ;; *) sed -i "/^$id|/d" queue;; esac; done
"""


@dataclass(frozen=True)
class FakeSlurm:
    """The folder of the programs, and of the files with their answers."""

    folder: Path

    def answers(self, **answers: str | bytes) -> None:
        """Set answers by name.

        `queue`: squeue's lines, after a site's `notice`; with `hidden` or `down` it prints none. `reason`: why new jobs
        wait. `answer`: sbatch's output (JOB is the number), with exit `status` and `complaint`. `refused`: a pattern;
        sbatch refuses scripts that match it.
        """
        for name, answer in answers.items():
            (self.folder / name).write_bytes(answer if isinstance(answer, bytes) else answer.encode())

    def queue(self) -> list[str]:
        """The ids of the jobs in the queue."""
        return [line.partition("|")[0] for line in (self.folder / "queue").read_text(errors="replace").splitlines()]

    def calls(self, program: str) -> list[str]:
        """The arguments of all calls of a program so far."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(f"{program} ")]


def install_fake_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Put the programs first on the path."""
    folder.mkdir()
    programs = {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "srun": "", "sinfo": "cat partitions"}
    programs["scontrol"] = "cat config"
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\ncd {shlex.quote(str(folder))}\n{script}\n")
        (folder / name).chmod(0o755)
    slurm = FakeSlurm(folder)
    slurm.answers(queue="", calls="", notice="", answer="Submitted batch job JOB\n", reason="Priority", status="0")
    slurm.answers(complaint="", refused="")
    slurm.answers(config="MaxArraySize = 1001\n", partitions="main\n", version="slurm 23.11.4\n", left="1:00\n")
    slurm.answers(test_only="sbatch: Job 1 to start at 2030-01-01T00:00:00 using 1 processors on nodes n1\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return slurm
