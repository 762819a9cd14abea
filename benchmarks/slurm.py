"""A study on a real Slurm of virtual nodes on this machine: how long until it works and is done, and what faults cost.

    python -m benchmarks.slurm

Ours: `fdt-sweep launch --cluster slurm` with three workers of one GPU. Against it, in the same lab and with the same
trainer: a submitit job array of one job per trial, three at a time; and a Ray cluster of fixed size in one allocation
of three nodes with Ray Tune's defaults. Once each, for a run takes minutes. Then the same sweep under one fault each.

As root on Debian it installs and starts Slurm in namespaces of its own (see lab/slurm/slurm_lab.py) and leaves nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pandas as pd

from benchmarks.report import print_report
from lab.slurm.faults import inject
from lab.slurm.requirements import obstacle
from lab.slurm.slurm_lab import SlurmLab, running_lab
from lab.slurm.slurm_runs import FDT_SWEEP, LONGER_SWEEP, SlurmRun
from lab.slurm.time_lost import interruptions

ALTERNATIVES = ("submitit_job_array", "fixed_ray_cluster")
FAULTS = ("worker_cancelled", "worker_preempted", "node_crashed", "head_requeued", "head_lost")


def launch_and_follow(run: SlurmRun) -> dict[str, float]:
    """Launch a sweep on three workers and follow it to its end; seconds."""
    began = time.time()
    run.launch("--no-profile")
    launched = time.time()
    run.await_end()
    jobs = {job.role: job.job_id for job in reversed(run.files.read_jobs())}
    first_trial = pd.read_parquet(run.path / "results" / "trials").started_at.min().timestamp()
    both_started = max(start_of(run.lab, job) for job in jobs.values())
    return {
        "launch_seconds": launched - began,
        "first_trial_seconds_after_head_and_first_worker_started": first_trial - both_started,
        "first_trial_seconds_after_launch": first_trial - began,
        "makespan_seconds": time.time() - began,
    }


def makespan_of(alternative: str, run: SlurmRun) -> float:
    """Seconds that another way takes for the same trials."""
    sweep = run.directory / "small.yaml"
    sweep.write_text(run.sweep)
    jobs = run.directory / "jobs"
    jobs.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.slurm_alternatives", alternative, *map(str, (sweep, run.data, jobs))]
    printed = run.lab.run(*command, environment={"FDT_BENCHMARK_SCRATCH": str(run.lab.scratch)})
    return float(printed.stdout.splitlines()[-1])


def cost_of(fault: str, run: SlurmRun) -> dict[str, float]:
    """What one fault in mid-run costs: seconds that trials lost, and the longest of them; epochs trained twice."""
    run.launch("--no-profile")
    inject(run, fault, random.Random(0), workers=3)
    run.await_end()
    stops = interruptions(run.path)
    return {
        f"{fault}_trials_interrupted": len(stops),
        f"{fault}_seconds_lost_of_a_trial": max((stop.seconds for stop in stops), default=0.0),
        f"{fault}_epochs_repeated": sum(stop.epochs_repeated for stop in stops),
    }


def start_of(lab: SlurmLab, job_id: str) -> float:
    """When Slurm started a job, to the second."""
    shown = lab.run("scontrol", "show", "job", job_id).stdout
    text = next(word for word in shown.split() if word.startswith("StartTime="))
    return datetime.fromisoformat(text.removeprefix("StartTime=")).astimezone().timestamp()


@contextmanager
def fresh_run(data: Path, sweep: str) -> Iterator[SlurmRun]:
    """A sweep in a lab and a directory of its own."""
    with running_lab() as lab, tempfile.TemporaryDirectory(prefix="fdt-") as directory:
        yield SlurmRun(lab=lab, directory=Path(directory), data=data, sweep=sweep)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, help="of two templates: 16 trials of about 8 s")
    parser.add_argument("--faults", nargs="*", default=FAULTS, help="kinds of faults, see lab/slurm/faults.py")
    arguments = parser.parse_args()
    if why := obstacle():
        sys.exit(why)
    study = LONGER_SWEEP.replace("seeds: 4", f"seeds: {arguments.seeds}")
    with tempfile.TemporaryDirectory(prefix="fdt-") as directory:
        data = Path(directory) / "data"
        with fresh_run(data, study) as run:
            run.lab.run(*FDT_SWEEP, "data", "prepare", "digits", "--data-dir", data)  # no part of a launch
            figures = launch_and_follow(run)
        others = {}
        for name in ALTERNATIVES:
            with fresh_run(data, study) as run:
                others[name] = makespan_of(name, run)
        for fault in arguments.faults:
            with fresh_run(data, LONGER_SWEEP) as run:
                figures |= cost_of(fault, run)
    print_report(
        "slurm",
        ratios={name: seconds / figures["makespan_seconds"] for name, seconds in others.items()},
        figures=figures | {f"makespan_seconds_{name}": seconds for name, seconds in others.items()},
        packages=["ray", "submitit", "torch"],
    )


if __name__ == "__main__":
    main()
