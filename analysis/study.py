"""Results seen with one choice of accuracy, batch size and device. Tables, figures and the report are made from it.

The cells are those of the frozen plan. A cell without a row is kept as missing. A row of a former plan, of another
recipe for instance, never replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import Results, load
from analysis.keys import BLOCK, CELL, CELL_ROW, STATUSES, dataset_order, model_name, template_order
from analysis.records import records
from analysis.statistics.differences import differences_between_runs, differences_to_base
from fdt_core.errors import UsageError, unknown_name
from fdt_core.results.columns import PLANNED_COLUMNS, PROFILE_BATCH_SIZES, RECIPE_COLUMNS
from fdt_core.results.keys import CELL_KEY, measurement_key

ACCURACIES = {"final": "final_test_accuracy", "best": "best_test_accuracy"}
"""The kinds of test accuracy: after the last epoch, or of the best epoch (which was chosen on the test set itself)."""

COMPUTED = ["params", "macs", "paper_flops", "memory_mb", "activations"]
"""The costs that depend on the network only: the same for every seed of a cell."""

FROM_PLAN = ["widths", "n", *COMPUTED, "budget_metric", "budget_rule", "budget_target", "budget_error"]
"""The columns of a cell that are known before training."""

SETTING = ["threads", "precision", "channels_last"]
"""How a cell's network is run."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Results, and the choices with which they are shown.

    Args:
        results: what the runs recorded.
        accuracy: `final` or `best`. A study has one kind: they are never mixed.
        batch: the batch size whose inference latency is shown.
        device: name of the device whose latency is shown; default: the one with the most measurements.

    Raises:
        UsageError: an unknown accuracy, batch size or device.
    """

    results: Results
    accuracy: str = "final"
    batch: int = 16
    device: str | None = None

    def __post_init__(self) -> None:
        if self.accuracy not in ACCURACIES:
            raise unknown_name("accuracy", self.accuracy, ACCURACIES)
        if self.batch not in PROFILE_BATCH_SIZES:
            known = ", ".join(map(str, PROFILE_BATCH_SIZES))
            raise UsageError(f"no latency is measured at batch size {self.batch} (measured: {known})")
        if self.device is not None and self.device not in self.devices:
            raise unknown_name("device", self.device, self.devices)

    @cached_property
    def devices(self) -> list[str]:
        """Names of the devices with measurements, the one with the most of the cells' networks first."""
        profiles = self.results.profiles
        wanted = set(_networks(self._unmeasured_cells))
        counts = profiles["device_name"][_networks(profiles).isin(wanted)].value_counts()
        return [str(name) for name in dict.fromkeys([*counts.index, *profiles["device_name"]])]

    @cached_property
    def latency_device(self) -> str | None:
        """The device whose latency is shown; None if nothing was measured."""
        return self.device or next(iter(self.devices), None)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per planned cell and seed, in this order: the columns of trials, and `accuracy` in per cent.

        `status` may also be `missing`. Of several attempts, the done one counts, or else the last. `recipe` is a number
        that is the same for all trials with the same recipe.
        """
        return _outcomes(self.results, ACCURACIES[self.accuracy])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: `seeds`, number of seeds by status, `mean` and `std` (ddof 1) of the accuracy, and costs.

        The costs are those of `COMPUTED`, `train_seconds` and `peak_memory_mb` (means over done seeds), and
        `latency_ms`, `latency_p10_ms` and `latency_p90_ms` of a batch.
        """
        cells = self._unmeasured_cells.assign(network=_networks(self._unmeasured_cells))
        latency = _latency(self.results.profiles, self.batch, self.latency_device)
        return cells.merge(latency, on=["run", "network"], how="left").drop(columns="network")

    @cached_property
    def _unmeasured_cells(self) -> pd.DataFrame:
        """The cells, without latency."""
        return _cells(self.outcomes)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every template minus base: see `analysis.statistics.differences.paired_differences`."""
        return differences_to_base(self.outcomes)

    @cached_property
    def differences_between_runs(self) -> pd.DataFrame:
        """Every cell of the other runs minus the same cell of the first run; no rows for one run.

        Recipes may differ, as runs are often compared for their recipes. `analysis.recipes` describes the differences.
        """
        return differences_between_runs(self.outcomes, next(iter(self.results.paths)))

    @property
    def templates(self) -> list[str]:
        """The templates in the order in which they are shown."""
        return template_order(self.cells["template"])

    @property
    def datasets(self) -> list[str]:
        """The data sets in the order in which they are shown."""
        return dataset_order(self.cells["dataset"])

    def blocks(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """A title and the cells of each run, model and width. The title names the run if there are several."""
        several = self.cells["run"].nunique() > 1
        for (run, model, width), cells in self.cells.groupby(BLOCK, sort=True):
            title = model_name(str(model), float(str(width)))
            yield (f"{run}: {title}" if several else title), cells


def study(*runs: str | Path, accuracy: str = "final", batch: int = 16, device: str | None = None) -> Study:
    """The study of one or several run directories: `analysis.load` and `Study` in one call."""
    return Study(results=load(*runs), accuracy=accuracy, batch=batch, device=device)


def _outcomes(results: Results, accuracy: str) -> pd.DataFrame:
    """The planned cells and seeds, each with the outcome from the row of the same cell."""
    is_done = results.trials["status"] == "done"
    trials = results.trials.assign(accuracy=results.trials[accuracy].where(is_done), is_done=is_done)
    latest = trials.sort_values(["is_done", "attempt"], kind="stable").drop_duplicates(CELL_ROW, keep="last")
    known = [name for name in PLANNED_COLUMNS if name not in CELL_KEY]
    outcomes = results.planned.merge(latest.drop(columns=["is_done", *known]), on=CELL_ROW, how="left")
    outcomes["status"] = outcomes["status"].fillna("missing")
    return outcomes.assign(recipe=_recipe_numbers(outcomes)).sort_values([*CELL, "seed"], ignore_index=True)


def _recipe_numbers(outcomes: pd.DataFrame) -> pd.Series[int]:
    columns = list(RECIPE_COLUMNS)
    values = outcomes[columns].map(_hashable)
    return values.groupby(columns, dropna=False, sort=False).ngroup()


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value


def _cells(outcomes: pd.DataFrame) -> pd.DataFrame:
    groups = outcomes.groupby(CELL, sort=False)
    of_done = outcomes[outcomes["status"] == "done"].groupby(CELL, sort=False)
    counts = outcomes.groupby([*CELL, "status"], sort=False).size().unstack("status", fill_value=0)
    return pd.DataFrame(
        {
            "seeds": groups.size(),
            **{status: counts.get(status, 0) for status in STATUSES},
            "mean": of_done["accuracy"].mean(),
            "std": of_done["accuracy"].std(ddof=1),
            "train_seconds": of_done["train_seconds"].mean(),
            "peak_memory_mb": of_done["peak_memory_mb"].mean(),
            **{name: groups[name].first() for name in (*FROM_PLAN, *SETTING)},
            "recipes": groups["recipe"].agg(_distinct),
        }
    ).reset_index()


def _distinct(numbers: pd.Series[int]) -> str:
    return " ".join(str(number) for number in sorted(set(numbers)))


def _networks(frame: pd.DataFrame) -> pd.Series[Any]:
    """For each row of cells or profiles, the key of the network that a measured speed belongs to."""
    return pd.Series([measurement_key(row) for row in records(frame)], index=frame.index, dtype=object)


def _latency(profiles: pd.DataFrame, batch: int, device: str | None) -> pd.DataFrame:
    """The last measurement of each network on `device`."""
    names = {
        f"latency_ms_b{batch}_median": "latency_ms",
        f"latency_ms_b{batch}_p10": "latency_p10_ms",
        f"latency_ms_b{batch}_p90": "latency_p90_ms",
    }
    measured = profiles[profiles["device_name"] == device].sort_values("measured_at", kind="stable")
    measured = measured.assign(network=_networks(measured)).drop_duplicates(["run", "network"], keep="last")
    return measured[["run", "network", *names]].rename(columns=names)
