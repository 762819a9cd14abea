"""Analysis at scale, for `benchmarks.results`: all tables of 100,000 trials, and reports of 1,000 and 20,000."""

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
from benchmarks.browser import NEEDED, chromium, has_chromium, seconds_to_filter, seconds_to_open
from benchmarks.report import Measured
from fdt_core.results.writer import ResultsWriter

MODELS = ("vgg11", "vgg13", "vgg16", "vgg19", "resnet50")
DATASETS = ("cifar10", "cifar100", "cinic10", "tinyimagenet")
REPORTS = {1_000: 200, 20_000: 20}
"""Epochs per trial, by the number of trials of a report."""


def analysis_figures(trials: int = 100_000, seeds: int = 10) -> Measured:
    """Seconds for all tables of `trials` trials as text; for each size of `REPORTS`: see `_report_figures`."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "tables"
        _write(run, trials, seeds, epochs=0)
        figures: dict[str, float | int | str] = {
            "trials_in_tables": trials,
            "seconds_for_all_tables": _seconds(lambda: render(tables(study(run), "all"), "text")),
        }
        for count, epochs in REPORTS.items():
            _write(Path(directory) / str(count), count, seeds, epochs=epochs)
            measured = _report_figures(Path(directory) / str(count), Path(directory) / f"chromium-{count}")
            figures |= {f"{name}_of_{count}_trials": value for name, value in measured.items()}
        return figures


def _report_figures(run: Path, profile: Path) -> Measured:
    """Of the report of a run: seconds to write it and its size; in a fresh browser, seconds to open and filter it.

    Without a browser, a sentence replaces the latter.
    """
    report = run / "report" / "index.html"
    figures: dict[str, float | int | str] = {
        "seconds_to_write_report": _seconds(lambda: write_report(study(run), report)),
        "megabytes_of_report": report.stat().st_size / 1e6,
    }
    names = ("seconds_to_open_report", "seconds_until_its_plots_are_drawn", "seconds_to_filter_trials_first")
    if not has_chromium():
        return figures | dict.fromkeys(names, NEEDED)
    with chromium(profile) as driver:
        opened, drawn = seconds_to_open(driver, report)
        return figures | dict(zip(names, (opened, drawn, seconds_to_filter(driver, "#trials")), strict=True))


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
                "template": template, "dataset": dataset, "variant": "", "seed": seed, "attempt": 1, "status": "done",
                "params": 10**6, "macs": 10**8, "paper_flops": 10**8, "memory_mb": 20.0, "activations": 10**6,
                "widths": [64] * 16, "budget_metric": "paper_flops", "budget_rule": "nearest", "budget_error": 0.0,
                "final_test_accuracy": accuracy, "best_test_accuracy": accuracy + 0.2, "best_epoch": 190,
                "epochs": 200, "train_seconds": 3600.0, "device_name": "GPU", "hostname": f"node{seed}",
            }  # fmt: skip


def _epochs(trial: dict[str, Any], epochs: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(trial["seed"])
    for epoch, noise in enumerate(rng.normal(0, 0.3, size=epochs), start=1):
        accuracy = trial["final_test_accuracy"] * (1 - 0.9**epoch) + noise
        yield {
            "trial_id": trial["trial_id"], "attempt": 1, "epoch": epoch, "seconds": 18.0, "test_accuracy": accuracy,
            "train_accuracy": accuracy + 1, "test_loss": 2 / epoch + abs(noise), "train_loss": 1.5 / epoch + abs(noise),
        }  # fmt: skip
