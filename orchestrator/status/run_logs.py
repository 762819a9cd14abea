"""The logs of a run: one per trial, and the output of each Slurm job."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cluster.slurm.files import SlurmFiles
from fdt_core.errors import UsageError, nearest_match
from orchestrator.run.run_directory import RunDirectory

_POLL_SECONDS = 0.5


def run_logs(run: RunDirectory) -> dict[str, Path]:
    """Paths of the existing logs, by trial id, by job id, and `head` for the newest head job."""
    files = SlurmFiles(run.slurm)
    found = {path.stem: path for path in sorted(run.logs.glob("*.log"))}
    for job in files.read_jobs():
        if (path := files.output(job.job_id)).exists():
            found[job.job_id] = path
            if job.role == "head":
                found["head"] = path
    return found


def find_log(run: RunDirectory, name: str) -> Path:
    """The log called `name`, or the only one that starts with it. Raises UsageError naming the nearest match."""
    found = run_logs(run)
    matches = [found[name]] if name in found else [path for known, path in found.items() if known.startswith(name)]
    if len(matches) != 1:
        problem = "no log of" if not matches else f"{len(matches)} logs start with"
        raise UsageError(f"{problem} {name!r} in {run.path}{nearest_match(name, found)}; list them: fdt-sweep logs RUN")
    return matches[0]


def print_log(
    path: Path, say: Callable[[str], None], *, follow: bool, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Print the log and, with `follow`, everything that is added to it from then on."""
    with path.open(encoding="utf-8", errors="replace") as file:
        while True:
            for line in file:
                say(line.rstrip("\n"))
            if not follow:
                return
            sleep(_POLL_SECONDS)
