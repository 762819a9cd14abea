"""A small sweep on a real Slurm of virtual nodes on this machine: how long until it works, and until it is done.

    python -m benchmarks.slurm

As root on Debian it installs and starts Slurm in namespaces of its own (see tests/slurm/lab.py) and leaves nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pandas as pd

from benchmarks.report import print_report
from tests.slurm.lab import SlurmLab, running_lab
from tests.slurm.requirements import obstacle
from tests.slurm.runs import FDT_SWEEP, SlurmRun


def measure(run: SlurmRun) -> dict[str, float]:
    """Launch the small sweep on three workers and follow it to its end; seconds."""
    began = time.time()
    run.launch()
    launched = time.time()
    run.fdt_sweep("status", "--follow")
    jobs = {job.role: job.job_id for job in reversed(run.files.read_jobs())}
    first_trial = pd.read_parquet(run.path / "results" / "trials").started_at.min().timestamp()
    both_started = max(start_of(run.lab, job) for job in jobs.values())
    return {
        "launch_seconds": launched - began,
        "first_trial_seconds_after_head_and_first_worker_started": first_trial - both_started,
        "first_trial_seconds_after_launch": first_trial - began,
        "makespan_seconds": time.time() - began,
    }


def start_of(lab: SlurmLab, job_id: str) -> float:
    """When Slurm started a job, to the second."""
    shown = lab.run("scontrol", "show", "job", job_id).stdout
    text = next(word for word in shown.split() if word.startswith("StartTime="))
    return datetime.fromisoformat(text.removeprefix("StartTime=")).astimezone().timestamp()


def main() -> None:
    """Measure and print."""
    if why := obstacle():
        sys.exit(why)
    with running_lab() as lab, tempfile.TemporaryDirectory(prefix="fdt-") as directory:
        run = SlurmRun(lab=lab, directory=Path(directory), data=Path(directory) / "data")
        lab.run(*FDT_SWEEP, "data", "prepare", "digits", "--data-dir", run.data)  # no part of a launch
        figures = measure(run)
    print_report("slurm", ratios={}, figures=figures, packages=["ray", "submitit", "torch"])


if __name__ == "__main__":
    main()
