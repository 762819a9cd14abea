"""Synthetic run directories, with the paper's published means and standard deviations or with any other outcomes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fdt_core.image import ImageShape
from fdt_core.matching.match import Budget, match
from fdt_core.matching.paper_tables import published_rows
from fdt_core.networks.architectures import architecture
from fdt_core.results.columns import PLANNED_COLUMNS, arrow_schema
from fdt_core.results.keys import cell_key
from fdt_core.templates import template
from fdt_core.trial.recipe import Recipe
from tests.fdt_core.paper_networks import RECONSTRUCTED_PARAMS

STARTED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def seeds_with(mean: float, std: float, seeds: int = 3) -> list[float]:
    """Numbers with exactly this mean and standard deviation (ddof 1), up to rounding errors, in a mixed order."""
    if seeds == 1:
        return [mean]
    spread = np.random.default_rng(round(1000 * mean + 17 * std)).normal(size=seeds)
    return list(mean + (spread - spread.mean()) * std / spread.std(ddof=1))


def trial_row(**given: Any) -> dict[str, Any]:
    """A row of `trials`: the given columns override those of an uneventful trial."""
    recipe = {**dataclasses.asdict(Recipe()), "milestones": [60, 120, 160]}
    row: dict[str, Any] = {
        **recipe,
        "sweep": "synthetic", "model": "vgg19", "width": 1.0, "template": "base", "dataset": "cifar10", "variant": "",
        "seed": 0, "attempt": 1, "status": "done", "widths": [64, 128], "params": 20_035_018, "macs": 398_136_320,
        "paper_flops": 399_170_560, "memory_mb": 87.0, "activations": 1_000_000, "budget_metric": "paper_flops",
        "budget_rule": "nearest", "budget_target": 399_170_560.0, "budget_error": 0.0, "best_epoch": 190,
        "train_seconds": 3600.0, "images_per_second": 2500.0, "peak_memory_mb": 900.0, "device": "cuda",
        "device_name": "NVIDIA H100", "devices": ["NVIDIA H100"], "interruptions": 0, "hostname": "node1", "threads": 4,
        "started_at": STARTED, "finished_at": STARTED + dt.timedelta(hours=1.1), "git_commit": "0" * 40,
        "code_version": "0.1.0", "torch_version": "2.6.0", "ray_version": "2.60.0", "python_version": "3.11.2",
        "dataset_digest": "digest",
        **given,
    }  # fmt: skip
    names = ("model", "width", "template", "dataset", "seed", "learning_rate")
    row.setdefault("trial_id", "-".join(str(row[name]) for name in names))
    return row


def done(accuracy: float, **given: Any) -> dict[str, Any]:
    """A row of a done trial with this final accuracy; its best epoch was half a point better."""
    return trial_row(final_test_accuracy=accuracy, best_test_accuracy=accuracy + 0.5, **given)


def profile_row(trial: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """A row of `profiles`: the given columns override those of a measurement of the trial's network."""
    shared = ("sweep", "model", "width", "template", "dataset", "widths", "params", "macs", "paper_flops", "memory_mb",
              "threads", "precision", "channels_last")  # fmt: skip
    return {**{name: trial[name] for name in shared}, "device": "cuda", "device_name": "gpu", **given}


def write_run(
    path: Path,
    trials: Iterable[Mapping[str, Any]],
    *,
    epochs: Iterable[Mapping[str, Any]] = (),
    profiles: Iterable[Mapping[str, Any]] = (),
    planned: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """Write a run directory; `planned` defaults to the cells of the trials."""
    rows = list(trials)
    write_rows(path, "trials", rows)
    write_rows(path, "epochs", epochs)
    write_rows(path, "profiles", profiles)
    wanted = {cell_key(row): row for row in (rows if planned is None else planned)}
    cells = [{key: row.get(key) for key in PLANNED_COLUMNS} for row in wanted.values()]
    (path / "plan.json").write_text(json.dumps({"sweep": path.name, "trials": cells}), encoding="utf-8")
    return path


def write_rows(path: Path, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as the first part of a table; missing columns are null."""
    folder = path / "results" / table
    folder.mkdir(parents=True, exist_ok=True)
    schema = arrow_schema(table)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), folder / "part-000000.parquet")


def epoch_rows(trial: Mapping[str, Any], epochs: int) -> list[dict[str, Any]]:
    """A learning curve that ends in the trial's accuracy."""
    final = trial.get("final_test_accuracy") or 10.0
    return [
        {
            "trial_id": trial["trial_id"], "attempt": trial["attempt"], "epoch": epoch, "seconds": 60.0,
            "test_accuracy": final * (1 - 0.5 ** (9 * epoch / epochs)), "train_accuracy": final - 1.0,
            "test_loss": 2.0 / epoch, "train_loss": 1.5 / epoch, "learning_rate": 0.1, "images_per_second": 1000.0,
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip


@cache
def _activations(model: str, name: str) -> int:
    """The activations of one of the paper's networks."""
    budget = Budget(metric="paper_flops", rule="paper")
    return match(architecture(model), template(name), image=ImageShape(), width=1.0, budget=budget).cost.activations


def paper_run(path: Path, seeds: int = 3, epochs: int = 0) -> Path:
    """A run whose seeds have exactly the means and standard deviations of the paper's tables 1 and 2.

    Args:
        path: the run directory to write.
        seeds: seeds per cell.
        epochs: epochs of the learning curves; 0 for none.
    """
    trials = [
        trial_row(
            model=row.model, template=row.template, dataset=dataset, seed=seed,
            params=RECONSTRUCTED_PARAMS[row.model, row.template],
            activations=_activations(row.model, row.template), memory_mb=float(row.memory_mb), n=row.n,
            budget_rule="paper", final_test_accuracy=accuracy, best_test_accuracy=accuracy + 0.5,
        )
        for row in published_rows()
        for dataset, cell in row.accuracy.items()
        for seed, accuracy in enumerate(seeds_with(cell.mean, cell.std, seeds))
    ]  # fmt: skip
    published = {(row.model, row.template): row.inference_ms for row in published_rows()}
    profiles = [
        profile_row(
            trial, device_name="NVIDIA Titan X", measured_at=STARTED, latency_ms_b16_median=ms,
            latency_ms_b16_p10=ms * 0.98, latency_ms_b16_p90=ms * 1.05,
        )
        for trial in trials
        if trial["seed"] == 0 and (ms := published[trial["model"], trial["template"]])
    ]  # fmt: skip
    curves = [row for trial in trials for row in epoch_rows(trial, epochs)]
    return write_run(path, trials, epochs=curves, profiles=profiles)
