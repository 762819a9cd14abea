"""A sweep on a real Slurm of virtual nodes on this machine: seconds to the first trial and to the end; cost of faults.

    python -m benchmarks.slurm

Ours is `fdt-sweep launch --cluster slurm` with three workers of one GPU. The alternatives, in the same lab and with the
same trainer, are a submitit job array of one job per trial, three at a time, and a Ray cluster of fixed size in one
allocation of three nodes with Ray Tune's defaults. Each runs once, because a run takes minutes. Then the sweep runs
under one fault at a time.

As root on Debian, it installs Slurm, starts it in separate namespaces (see lab/slurm/slurm_lab.py), and leaves nothing
running.
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
    """Launch a sweep on three workers and follow it to its end. All figures are seconds."""
    started = time.time()
    run.launch("--no-profile")
    launched = time.time()
    run.await_end()
    jobs = {job.role: job.job_id for job in reversed(run.files.read_jobs())}
    first_trial = pd.read_parquet(run.path / "results" / "trials").started_at.min().timestamp()
    both_started = max(start_of(run.lab, job) for job in jobs.values())
    return {
        "launch_seconds": launched - started,
        "first_trial_seconds_after_head_and_first_worker_started": first_trial - both_started,
        "first_trial_seconds_after_launch": first_trial - started,
        "makespan_seconds": time.time() - started,
    }


def makespan_of(alternative: str, run: SlurmRun) -> float:
    """Seconds that an alternative takes for the same trials."""
    sweep = run.directory / "small.yaml"
    sweep.write_text(run.sweep)
    jobs = run.directory / "jobs"
    jobs.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.alternatives.slurm", alternative, *map(str, (sweep, run.data, jobs))]
    printed = run.lab.run(*command, environment={"FDT_BENCHMARK_SCRATCH": str(run.lab.scratch)})
    return float(printed.stdout.splitlines()[-1])


def cost_of(fault: str, run: SlurmRun) -> dict[str, float]:
    """The cost of one fault during a run: trials interrupted, most seconds lost by a trial, epochs trained twice."""
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
    """A sweep in a fresh lab and a fresh directory."""
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
    sweep = LONGER_SWEEP.replace("seeds: 4", f"seeds: {arguments.seeds}")
    with tempfile.TemporaryDirectory(prefix="fdt-") as directory:
        data = Path(directory) / "data"
        with fresh_run(data, sweep) as run:
            run.lab.run(*FDT_SWEEP, "data", "prepare", "digits", "--data-dir", data)  # not part of a launch
            figures = launch_and_follow(run)
        others = {}
        for name in ALTERNATIVES:
            with fresh_run(data, sweep) as run:
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
