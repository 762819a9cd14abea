"""The results store at scale: append and load 100,000 trials and 2,000,000 epochs, and analyse them.

    python -m benchmarks.results

Loading is compared, per trial, with the files that Ray Tune itself leaves, one directory per trial. These are 1,000
copies of the files of one real trial of 20 epochs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import pandas as pd

from benchmarks.analysis_results import analysis_figures
from benchmarks.report import print_report
from fdt_core.results.writer import ResultsWriter
from orchestrator.plan.resolve import plan_sweep

T = TypeVar("T")

EPOCHS = 20
ROUNDS = 3
BATCH = 1000

SWEEP = """\
name: results
models: [vgg19, resnet50]
templates: [base, a, b, c, d, e]
datasets: [cifar10, cifar100, cinic10, tinyimagenet]
seeds: 1
recipe: paper
"""


def append(results: Path, trials: int) -> float:
    """Seconds to append `trials` rows with 20 epochs each, a thousand trials at a time."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.yaml"
        file.write_text(SWEEP)
        cells = [cell.columns() for cell in plan_sweep(file).cells]
    store = ResultsWriter(results)
    started = time.perf_counter()
    for first in range(0, trials, BATCH):
        numbers = range(first, min(first + BATCH, trials))
        store.append("trials", [_trial(cells[number % len(cells)], number) for number in numbers])
        store.append("epochs", [_epoch(number, epoch) for number in numbers for epoch in range(1, EPOCHS + 1)])
        store.flush()
    return time.perf_counter() - started


def load(results: Path) -> int:
    """Load all rows of both tables with pandas."""
    return len(pd.read_parquet(results / "trials")) + len(pd.read_parquet(results / "epochs"))


def load_tunes_files(experiment: Path) -> int:
    """Load the files of Ray Tune, one per trial, with pandas."""
    return len(pd.concat([pd.read_csv(path) for path in sorted(experiment.glob("*/progress.csv"))]))


def tunes_files(directory: Path, trials: int) -> Path:
    """Run one Ray Tune trial of 20 epochs, and copy its files `trials` times."""
    command = [sys.executable, "-m", "benchmarks.alternatives.trial_cost", "ray_tune_files", str(EPOCHS), "1"]
    subprocess.run([*command, str(directory / "tune")], capture_output=True, check=True)
    (original,) = {path.parent for path in (directory / "tune").rglob("progress.csv")}
    experiment = directory / "experiment"
    for number in range(trials):
        shutil.copytree(original, experiment / f"trial_{number:05d}")
    return experiment


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a call and what it returned."""
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def _trial(cell: dict[str, Any], number: int) -> dict[str, Any]:
    return cell | {
        "trial_id": f"{number:012x}",
        "seed": number,
        "attempt": 1,
        "status": "done",
        "final_test_accuracy": 90.0 + number % 97 / 10,
        "best_test_accuracy": 90.5 + number % 97 / 10,
        "best_epoch": EPOCHS,
        "train_seconds": 100.0,
        "images_per_second": 1000.0,
        "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
        "hostname": f"node{number % 50}",
        "devices": ["GPU"],
        "dataset_digest": "0" * 64,
    }


def _epoch(number: int, epoch: int) -> dict[str, Any]:
    return {
        "trial_id": f"{number:012x}",
        "attempt": 1,
        "epoch": epoch,
        "train_loss": 2.0 / epoch,
        "train_accuracy": 5.0 * epoch,
        "test_loss": 2.1 / epoch,
        "test_accuracy": 4.9 * epoch - number % 13 / 10,
        "learning_rate": 0.1,
        "seconds": 5.0,
        "images_per_second": 1000.0,
    }


def main() -> None:
    """Append, load in turn, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--tune-trials", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run"
        appended = append(run / "results", arguments.trials)
        experiment = tunes_files(Path(directory), arguments.tune_trials)
        loads = [
            (timed(lambda: load(run / "results")), timed(lambda: load_tunes_files(experiment))) for _ in range(ROUNDS)
        ]
        seconds = median(ours for (ours, _), _ in loads)
        tune_seconds = median(theirs for _, (theirs, _) in loads)
        rows = loads[0][0][1]
    print_report(
        "results",
        ratios={"ray_tune_files": (tune_seconds / arguments.tune_trials) / (seconds / arguments.trials)},
        figures={
            "rows": rows,
            "seconds_to_append": appended,
            "microseconds_to_append_a_row": appended / rows * 1e6,
            "seconds_to_load": seconds,
            f"seconds_to_load_{arguments.tune_trials}_trials_of_ray_tune": tune_seconds,
            **analysis_figures(arguments.trials),
        },
        packages=("pandas", "plotly", "pyarrow", "ray", "scipy"),
    )


if __name__ == "__main__":
    main()
