"""Analysis at scale, for `benchmarks.results`: all tables of 100,000 trials, and a report of 1,000 in a browser."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from analysis.rendering import render
from analysis.report import write_report
from analysis.study import study
from analysis.tables import tables
from benchmarks.browser import NEEDED, chromium, has_chromium, seconds_to_open
from benchmarks.report import Measured
from fdt_core.results.writer import ResultsWriter

MODELS = ("vgg11", "vgg13", "vgg16", "vgg19", "resnet50")
DATASETS = ("cifar10", "cifar100", "cinic10", "tinyimagenet")
EPOCHS = 200


def analysis_figures(trials: int = 100_000, seeds: int = 10) -> Measured:
    """Seconds for all tables of `trials` trials as text; for a report of 1,000 trials: writing, size, opening.

    The report is opened in a fresh browser. Without a browser, a sentence replaces its figures.
    """
    with tempfile.TemporaryDirectory() as directory:
        many, few = Path(directory) / "many", Path(directory) / "few"
        _write(many, trials, seeds, epochs=0)
        _write(few, 1000, seeds, epochs=EPOCHS)
        seconds = _seconds(lambda: render(tables(study(many), "all"), "text"))
        report = few / "report" / "index.html"
        report_seconds = _seconds(lambda: write_report(study(few), report))
        opened, drawn = _opening(report, Path(directory) / "chromium")
        return {
            "trials_in_tables": trials,
            "seconds_for_all_tables": seconds,
            "seconds_to_write_report_of_1000_trials": report_seconds,
            "megabytes_of_report_of_1000_trials": report.stat().st_size / 1e6,
            "seconds_to_open_report_of_1000_trials": opened,
            "seconds_until_its_plots_are_drawn": drawn,
        }


def _opening(report: Path, profile: Path) -> tuple[float | str, float | str]:
    """The result of `seconds_to_open` for the report in a fresh browser."""
    if not has_chromium():
        return NEEDED, NEEDED
    with chromium(profile) as driver:
        return seconds_to_open(driver, report)


def _seconds(call: Callable[[], object]) -> float:
    """Processor seconds of a call in this process, over all its threads: other work on the machine does not count."""
    started = time.process_time()
    call()
    return time.process_time() - started


def _write(run: Path, trials: int, seeds: int, *, epochs: int) -> None:
    """Write a run of `trials` trials: 5 models on 4 data sets, with as many templates as needed."""
    store = ResultsWriter(run / "results")
    for start in range(0, trials, 10_000):
        rows = [row for number, row in enumerate(_trials(trials, seeds)) if start <= number < start + 10_000]
        store.append("trials", rows)
        store.append("epochs", [epoch for row in rows for epoch in _epochs(row, epochs)])
        store.flush()


def _trials(trials: int, seeds: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    templates = ["base", *(f"t{number}" for number in range(trials // (len(MODELS) * len(DATASETS) * seeds) - 1))]
    for model, dataset, template in product(MODELS, DATASETS, templates):
        level = rng.normal(80, 2)
        for seed in range(seeds):
            accuracy = float(rng.normal(level, 0.3))
            yield {
                "trial_id": f"{model}-{dataset}-{template}-{seed}", "sweep": "scale", "model": model, "width": 1.0,
                "template": template, "dataset": dataset, "seed": seed, "attempt": 1, "status": "done",
                "params": 10**6, "macs": 10**8, "paper_flops": 10**8, "memory_mb": 20.0, "activations": 10**6,
                "widths": [64] * 16, "budget_metric": "paper_flops", "budget_rule": "nearest", "budget_error": 0.0,
                "final_test_accuracy": accuracy, "best_test_accuracy": accuracy + 0.2, "best_epoch": 190,
                "epochs": EPOCHS, "train_seconds": 3600.0, "device_name": "GPU", "hostname": f"node{seed}",
            }  # fmt: skip


def _epochs(trial: dict[str, Any], epochs: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(trial["seed"])
    for epoch, noise in enumerate(rng.normal(0, 0.3, size=epochs), start=1):
        accuracy = trial["final_test_accuracy"] * (1 - 0.9**epoch) + noise
        yield {
            "trial_id": trial["trial_id"], "attempt": 1, "epoch": epoch, "seconds": 18.0, "test_accuracy": accuracy,
            "train_accuracy": accuracy + 1, "test_loss": 2 / epoch + abs(noise), "train_loss": 1.5 / epoch + abs(noise),
        }  # fmt: skip
