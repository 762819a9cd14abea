"""What an epoch costs the driver's process: many trials at once with short epochs, through the whole engine.

    python -m benchmarks.driver_cost

The trials sleep instead of training. The cost is the processor time of the driver's process, with its ledger, status,
Parquet rows and Ray's library, divided by the number of epochs. The alternative is a report after every epoch
(`report_interval: 0`), which leaves everything else as it is.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

from benchmarks.report import print_report
from fdt_core.results.reader import read_table
from lab.engine import Engine, local_engine, small_plan
from lab.sleeping_session import SleepingSessions
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.run_directory import RunDirectory

INTERVALS = {"by_time": 10.0, "every_epoch": 0.0}


def milliseconds_per_epoch(engine: Engine, plan: SweepPlan, sessions: SleepingSessions, interval: float) -> float:
    """One round; every epoch must have its row."""
    expected = len(plan.cells) * sessions.epochs

    def check(run: RunDirectory) -> None:
        assert read_table(run.results, "epochs").rows.num_rows == expected

    started = time.process_time()
    engine.run(0, sessions, dataclasses.replace(plan, report_interval=interval), examine=check)
    return (time.process_time() - started) / expected * 1000


def main() -> None:
    """Run the rounds in turn, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30, help="all at the same time")
    parser.add_argument("--epochs", type=int, default=200, help="of each trial")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each epoch")
    parser.add_argument("--rounds", type=int, default=2, help="each starts as many processes as there are trials")
    arguments = parser.parse_args()
    sessions = SleepingSessions(epochs=arguments.epochs, seconds=arguments.seconds)
    with tempfile.TemporaryDirectory() as directory, local_engine(cpus=arguments.trials) as engine:
        plan = small_plan(Path(directory), arguments.trials)
        rounds = [
            {name: milliseconds_per_epoch(engine, plan, sessions, interval) for name, interval in INTERVALS.items()}
            for _ in range(arguments.rounds)
        ]
    costs = {name: sum(measured[name] for measured in rounds) / arguments.rounds for name in INTERVALS}
    print_report(
        "driver_cost",
        ratios={"every_epoch": costs["every_epoch"] / costs["by_time"]},
        figures={f"milliseconds_per_epoch_{name}": cost for name, cost in costs.items()},
        packages=("ray", "pyarrow"),
    )


if __name__ == "__main__":
    main()
