"""From trials to cells: one row per run, model, template and data set, with what its seeds came to.

A cell that is planned but has no row is kept, so that nothing missing is hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import pandas as pd

from analysis.frames import Results
from fdt_core.datasets.catalogue import dataset_names
from fdt_core.errors import unknown_name

CELL = ["run", "model", "width", "template", "dataset"]
"""What a cell is. A trial is a cell and a seed."""

COSTS = ["params", "macs", "paper_flops", "memory_mb", "activations"]
"""The computed costs: the same for every seed of a cell."""

Accuracy = Literal["final", "best"]
"""Test accuracy after the last epoch, or of the best epoch. The best was chosen by looking at the test set."""

ACCURACY_COLUMNS: dict[str, str] = {"final": "final_test_accuracy", "best": "best_test_accuracy"}

BASE = "base"


def outcomes(results: Results, accuracy: str = "final") -> pd.DataFrame:
    """One row per cell and seed, with columns `status` (done, failed, diverged, missing) and `accuracy` in per cent.

    Of several attempts the done one counts, else the last. Of several trials of one cell and seed (a sweep file that
    was changed and launched again) the planned one counts, else the last that ended.

    Raises:
        UsageError: an unknown kind of accuracy.
    """
    if accuracy not in ACCURACY_COLUMNS:
        raise unknown_name("accuracy", accuracy, ACCURACY_COLUMNS)
    trials = results.trials.assign(
        accuracy=results.trials[ACCURACY_COLUMNS[accuracy]].where(results.trials["status"] == "done"),
        _done=results.trials["status"] == "done",
        _planned=pd.MultiIndex.from_frame(results.trials[["run", "trial_id"]]).isin(
            pd.MultiIndex.from_frame(results.planned[["run", "trial_id"]])
        ),
    )
    ordered = trials.sort_values(["_planned", "_done", "attempt", "finished_at"], kind="stable")
    latest = ordered.drop_duplicates([*CELL, "seed"], keep="last").drop(columns=["_done", "_planned"])
    planned = results.planned[[*CELL, "seed", *[cost for cost in COSTS if cost in results.planned]]]
    unseen = planned.merge(latest[[*CELL, "seed"]], on=[*CELL, "seed"], how="left", indicator=True)
    unseen = unseen[unseen["_merge"] == "left_only"].drop(columns="_merge").assign(status="missing")
    return pd.concat([latest, unseen.astype(latest.dtypes[unseen.columns].to_dict())], ignore_index=True)


def summarise(outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: numbers of seeds by status, mean and standard deviation (ddof 1) of the accuracy, and costs.

    Columns beside those of `CELL` and `COSTS`: `seeds` (planned or tried), `done`, `failed`, `diverged`, `missing`,
    `mean`, `std` (per cent), `train_seconds` (mean), `n`, `budget_metric`, `budget_error`.
    """
    groups = outcomes.groupby(CELL, sort=False, dropna=False)
    counts = {
        status: (outcomes["status"] == status).groupby([outcomes[key] for key in CELL], sort=False, dropna=False).sum()
        for status in ("done", "failed", "diverged", "missing")
    }
    of_done = outcomes[outcomes["status"] == "done"].groupby(CELL, sort=False, dropna=False)
    return pd.DataFrame(
        {
            "seeds": groups["seed"].size(),
            **counts,
            "mean": of_done["accuracy"].mean(),
            "std": of_done["accuracy"].std(ddof=1),
            "train_seconds": of_done["train_seconds"].mean(),
            **{name: groups[name].first() for name in [*COSTS, "n", "budget_metric", "budget_error"]},
        }
    ).reset_index()


def add_latency(
    cells: pd.DataFrame, profiles: pd.DataFrame, batch: int = 16, device: str | None = None
) -> pd.DataFrame:
    """`cells` with a column `latency_ms`: the median time of a batch, measured on `device` (default: the commonest)."""
    if profiles.empty:
        return cells.assign(latency_ms=float("nan"))
    device = device or str(profiles["device_name"].mode().iloc[0])
    measured = profiles[profiles["device_name"] == device].sort_values("measured_at").drop_duplicates(CELL, keep="last")
    latency = measured[[*CELL, f"latency_ms_b{batch}_median"]].set_axis([*CELL, "latency_ms"], axis=1)
    return cells.merge(latency, on=CELL, how="left")


def in_order(names: Iterable[str], first: Sequence[str] = ()) -> list[str]:
    """`names` without doubles: those of `first` in its order, then the others alphabetically."""
    present = set(names)
    return [name for name in first if name in present] + sorted(present - set(first))


def templates_in_order(cells: pd.DataFrame) -> list[str]:
    """The templates: base first."""
    return in_order(cells["template"], [BASE])


def datasets_in_order(cells: pd.DataFrame) -> list[str]:
    """The data sets: those that ship with the project first, in the paper's order."""
    return in_order(cells["dataset"], dataset_names())
