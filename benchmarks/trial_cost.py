"""The cost of a trial in addition to its training: trials that do nothing, through the whole engine.

    python -m benchmarks.trial_cost

Ours is the driver with its ledger, status and Parquet rows, on warm actors. The alternatives are Ray Tune with its
default settings (an actor, a directory and result files per trial) and, as a lower limit, a bare pool of Ray actors,
which records nothing. Then 2,000 trials show whether the cost of a trial depends on their number.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping

from benchmarks.report import print_report
from lab.engine import Engine, local_engine
from lab.nothing_session import nothing_session

SLOTS = 2
ROUNDS = 3
TRIALS_PER_ROUND = {"ours": 60, "ray_tune_defaults": 12, "ray_actor_pool": 400}


def milliseconds_per_trial(engine: Engine, name: str, environment: Mapping[str, str]) -> float:
    """One round of one candidate; the alternatives run on separate Rays, in the environment before our settings."""
    trials = TRIALS_PER_ROUND[name]
    if name == "ours":
        started = time.perf_counter()
        engine.run(trials, nothing_session)
        return (time.perf_counter() - started) / trials * 1000
    command = [sys.executable, "-m", "benchmarks.alternatives.trial_cost", name, str(trials), str(SLOTS)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return float(printed.splitlines()[-1]) / trials * 1000


def main() -> None:
    """Run the rounds in turn, then many trials, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=2000, help="trials of the last, long run")
    many = parser.parse_args().many
    environment = dict(os.environ)
    with local_engine(cpus=SLOTS) as engine:
        engine.run(4, nothing_session)  # warm up
        rounds = [
            {name: milliseconds_per_trial(engine, name, environment) for name in TRIALS_PER_ROUND}
            for _ in range(ROUNDS)
        ]
        costs = {name: sorted(measured[name] for measured in rounds)[ROUNDS // 2] for name in TRIALS_PER_ROUND}
        memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run = engine.run(many, nothing_session)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before
    ended = run.seconds_until_ended
    half = many // 2
    first, second = ended[half - 1] / half, (ended[-1] - ended[half - 1]) / (many - half)
    print_report(
        "trial_cost",
        ratios={
            "ray_tune_defaults": costs["ray_tune_defaults"] / costs["ours"],
            "ray_actor_pool": costs["ray_actor_pool"] / costs["ours"],
        },
        figures={
            **{f"milliseconds_per_trial_{name}": cost for name, cost in costs.items()},
            f"milliseconds_per_trial_of_{many}": ended[-1] / many * 1000,
            "cost_of_second_half_over_first": second / first,
            "driver_memory_per_trial_kilobytes": grown / many,
            "files_per_trial": run.files / many,
        },
        packages=("ray", "pyarrow"),
    )


if __name__ == "__main__":
    main()
