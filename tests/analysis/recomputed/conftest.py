"""Runs whose tables are computed again: the paper's numbers, the demo's trials, and cells of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import study
from analysis.rendering import as_json
from analysis.tables import tables
from tests.analysis.synthetic import done, paper_run, profile_row, trial_row, write_run

DEMO = Path(__file__).parent / "demo.csv"
"""The trials of `make demo`, with what its tables are made of."""


def demo_run(path: Path) -> Path:
    trials = pd.read_csv(DEMO).to_dict("records")
    return write_run(path, [trial_row(**{str(name): value for name, value in trial.items()}) for trial in trials])


def messy_run(path: Path) -> Path:
    """Cells of every kind.

    They are complete, missing, failed, diverged, without spread or with one seed; of two recipes and two devices; on
    three data sets; with and without a measured latency.
    """
    rng = np.random.default_rng(11)
    rows: list[dict[str, Any]] = []
    for dataset, level, spread in (("cifar10", 93.0, 0.2), ("cifar100", 71.0, 0.5), ("digits", 97.5, 0.0)):
        for number, template in enumerate(("base", "a", "b", "c", "d", "e")):
            for seed in range(4):
                row = {"template": template, "dataset": dataset, "seed": seed, "params": 1000 - 100 * number}
                row |= {"activations": 5000 + number, "train_seconds": 60.0 + seed, "memory_mb": 1.0}
                accuracy = level + 0.4 * number + spread * rng.normal()
                if template == "b" and seed == 2:
                    rows.append(trial_row(**row, status="failed", failure_kind="oom"))
                elif template == "c" and seed > 0 and dataset == "cifar10":
                    rows.append(trial_row(**row, status="diverged"))
                elif template == "d":
                    rows.append(done(accuracy, **row, learning_rate=0.7))
                elif template == "e" and seed == 3:
                    rows.append(done(accuracy, **(row | {"train_seconds": 999.0}), device_name="AMD EPYC"))
                else:
                    rows.append(done(accuracy, **row))
    planned = [*rows, trial_row(template="a", dataset="cifar100", seed=9, params=900)]
    profiles = [
        profile_row(row, latency_ms_b16_median=2.0 + 0.1 * number, latency_ms_b16_p10=1.9, latency_ms_b16_p90=3.0)
        for number, row in enumerate(rows)
        if row["seed"] == 0 and row["template"] != "e"
    ]
    return write_run(path, rows, planned=planned, profiles=profiles)


RUNS = {"paper": paper_run, "demo": demo_run, "messy": messy_run}


@pytest.fixture(scope="package", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RUNS[request.param](tmp_path_factory.mktemp("runs") / request.param)


@pytest.fixture(scope="package")
def made(run: Path) -> dict[str, pd.DataFrame]:
    """The rows of each kind of table, as a program reads them."""
    found: dict[str, list[pd.DataFrame]] = {}
    for table in json.loads(as_json(tables(study(run), "all")))["tables"]:
        found.setdefault(table["name"], []).append(pd.DataFrame(table["rows"]).assign(title=table["title"]))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in found.items()}


@pytest.fixture(scope="package")
def rows(run: Path) -> pd.DataFrame:
    """The trials as recorded; `model` names the width as the tables do."""
    recorded = pd.concat(
        map(pd.read_parquet, sorted((run / "results" / "trials").glob("*.parquet"))), ignore_index=True
    )
    scaled = recorded["model"] + " x " + recorded["width"].map("{:g}".format)
    return recorded.assign(model=recorded["model"].where(recorded["width"] == 1, scaled))
