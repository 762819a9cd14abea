"""Results seen with one choice of accuracy, batch size and device. Tables, figures and the report are made from it.

The cells are those of the frozen plan. A cell without a row is kept as missing. A row of a former plan, of another
recipe for instance, never replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import Results, load
from analysis.keys import BLOCK, CELL, CELL_ROW, STATUSES, block_title, dataset_order, template_order
from analysis.measurements import SETTING, latencies, network_keys, training_costs
from analysis.statistics.accuracies import Accuracies
from analysis.statistics.best import compared_with_the_best
from analysis.statistics.differences import (
    ALIKE,
    Question,
    differences,
    differences_between_runs,
    mean_differences,
    to_base,
)
from analysis.statistics.sequential.decided import (
    at_usual_confidence,
    best_of_decided,
    decided_differences,
    decided_means,
)
from analysis.tuning.budgets import budget_frame
from fdt_core.errors import UsageError, unknown_name
from fdt_core.results.columns import PLANNED_COLUMNS, PROFILE_BATCH_SIZES, RECIPE_COLUMNS
from fdt_core.results.keys import CELL_KEY
from fdt_core.results.looks import MARGIN

ACCURACIES = {"final": "final_test_accuracy", "best": "best_test_accuracy"}
"""The kinds of test accuracy: after the last epoch, or of the best epoch (which was chosen on the test set itself)."""

LOOKED_AT = "final"
"""The kind that runs with adaptive seeds look at."""

COMPUTED = ["params", "macs", "paper_flops", "memory_mb", "activations"]
"""The costs that depend on the network only: the same for every seed of a cell."""

FROM_PLAN = ["widths", "n", *COMPUTED, "budget_metric", "budget_rule", "budget_target", "budget_error"]
"""The columns of a cell that are known before training."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Results, and the choices with which they are shown.

    Args:
        results: what the runs recorded.
        accuracy: `final` or `best`. A study has one kind: they are never mixed.
        batch: the batch size whose inference latency is shown.
        device: name of the device whose latency is shown; default: for each model, the one that measured the most.
        question: what is asked of differences in accuracy.

    Raises:
        UsageError: an unknown accuracy, batch size or device, or an impossible margin.
    """

    results: Results
    accuracy: str = "final"
    batch: int = 16
    device: str | None = None
    question: Question = field(default_factory=Question)

    def __post_init__(self) -> None:
        if self.accuracy not in ACCURACIES:
            raise unknown_name("accuracy", self.accuracy, ACCURACIES)
        if self.batch not in PROFILE_BATCH_SIZES:
            known = ", ".join(map(str, PROFILE_BATCH_SIZES))
            raise UsageError(f"no latency is measured at batch size {self.batch} (measured: {known})")
        if self.device is not None and self.device not in self.devices:
            raise unknown_name("device", self.device, self.devices)
        if not 0 <= self.question.margin <= 100:
            raise UsageError(f"a margin is from 0 to 100 points of accuracy, not {self.question.margin:g}")

    @cached_property
    def devices(self) -> list[str]:
        """Names of the devices with measurements, the one with the most of the cells' networks first."""
        profiles = self.results.profiles
        wanted = set(network_keys(self._unmeasured_cells))
        counts = profiles["device_name"][network_keys(profiles).isin(wanted)].value_counts()
        return [str(name) for name in dict.fromkeys([*counts.index, *profiles["device_name"]])]

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per planned cell and seed, in this order: the columns of trials, and `accuracy` in per cent.

        `status` may also be `missing`. Of several attempts, the done one counts, or else the last. `recipe` is a number
        that is the same for all trials with the same recipe, apart from what their run has tuned.
        """
        return _outcomes(self.results, ACCURACIES[self.accuracy])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: `seeds`, number of seeds by status, `mean` and `std` (ddof 1) of the accuracy, and costs.

        The costs are those of `COMPUTED`; `uncut_memory_mb`, whose form in the paper is `memory_mb`; `train_seconds`,
        `peak_memory_mb` and `train_device` (see `analysis.measurements.training_costs`); and `latency_ms`,
        `latency_p10_ms`, `latency_p90_ms` and `latency_device` (see `analysis.measurements.latencies`).
        """
        cells = self._unmeasured_cells
        measured = latencies(cells, self.results.profiles, batch=self.batch, device=self.device)
        return cells.merge(measured, on=CELL, how="left")

    @cached_property
    def _unmeasured_cells(self) -> pd.DataFrame:
        """The cells, without latency."""
        return _cells(self.outcomes)

    @cached_property
    def accuracies(self) -> Accuracies:
        """The accuracies in the form in which templates are compared with base."""
        return to_base(self.outcomes)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every template minus base: see `analysis.statistics.differences.differences`."""
        usual = differences(self.accuracies, self.question)
        runs = self.results.looks.keys()
        return decided_differences(usual, self.decisions, runs, self.question) if runs else usual

    @cached_property
    def mean_differences(self) -> pd.DataFrame:
        """The same in the mean over data sets: see `analysis.statistics.differences.mean_differences`."""
        usual = mean_differences(self.accuracies, self.question)
        runs = self.results.looks.keys()
        datasets = self.accuracies.keys.groupby(BLOCK).size()
        return decided_means(usual, self.differences, runs, datasets, self.question) if runs else usual

    @cached_property
    def against_the_best(self) -> pd.DataFrame:
        """Every template against the best of the others: see `analysis.statistics.best.compared_with_the_best`."""
        usual = compared_with_the_best(self.accuracies)
        runs = list(self.results.looks)
        if not runs:
            return usual
        decided = best_of_decided(self.mean_differences[self.mean_differences["run"].isin(runs)])
        return pd.concat([usual[~usual["run"].isin(runs)], decided], ignore_index=True)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """The last decisions of adaptive runs, with limits at the usual confidence.

        None if another accuracy is shown than the one that they looked at.
        """
        every = self.results.decisions
        if self.accuracy != LOOKED_AT or every.empty:
            return every.iloc[:0]
        of_runs = every.groupby("run", sort=False)
        return pd.concat([at_usual_confidence(rows, self.results.looks[str(run)]) for run, rows in of_runs])

    @cached_property
    def differences_between_runs(self) -> pd.DataFrame:
        """Every cell of the other runs minus the same cell of the first run; no rows for one run.

        Recipes may differ, as runs are often compared for their recipes. `analysis.recipes` describes the differences.
        """
        return differences_between_runs(self.outcomes, next(iter(self.results.paths)), self.question)

    @cached_property
    def budgets(self) -> pd.DataFrame:
        """What each number of candidates would have found: see `analysis.tuning.budgets.budget_frame`."""
        return budget_frame(self.results.tuned)

    @property
    def is_adaptive(self) -> bool:
        """Whether all runs have adaptive seeds."""
        return self.results.looks.keys() == self.results.paths.keys()

    @property
    def templates(self) -> list[str]:
        """The templates in the order in which they are shown."""
        return template_order(self.cells["template"])

    @property
    def datasets(self) -> list[str]:
        """The data sets in the order in which they are shown."""
        return dataset_order(self.cells["dataset"])

    def blocks(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """A title and the cells of each run, model, width and variant; see `analysis.keys.block_title`."""
        several = self.cells["run"].nunique() > 1
        for (run, model, width, variant), cells in self.cells.groupby(BLOCK, sort=True):
            yield block_title(run, model, width, variant, several_runs=several), cells


def study(
    *runs: str | Path,
    filters: Sequence[str] = (),
    accuracy: str = "final",
    batch: int = 16,
    device: str | None = None,
    margin: float | None = None,
    one_sided: bool = False,
) -> Study:
    """The study of one or several run directories: `analysis.load`, `Results.matching` and `Study` in one call.

    The default of `margin` is that of the runs with adaptive seeds if there are any, all with the same, else 0.5.
    """
    results = load(*runs).matching(filters)
    question = Question(margin=_usual_margin(results) if margin is None else margin, one_sided=one_sided)
    return Study(results=results, accuracy=accuracy, batch=batch, device=device, question=question)


def _usual_margin(results: Results) -> float:
    margins = {looks.margin for looks in results.looks.values()}
    return margins.pop() if len(margins) == 1 else MARGIN


def _outcomes(results: Results, accuracy: str) -> pd.DataFrame:
    """The planned cells and seeds, each with the outcome from the row of the same cell."""
    is_done = results.trials["status"] == "done"
    trials = results.trials.assign(accuracy=results.trials[accuracy].where(is_done), is_done=is_done)
    latest = trials.sort_values(["is_done", "attempt"], kind="stable").drop_duplicates(CELL_ROW, keep="last")
    known = [name for name in PLANNED_COLUMNS if name not in CELL_KEY]
    outcomes = results.planned.merge(latest.drop(columns=["is_done", *known]), on=CELL_ROW, how="left")
    outcomes["status"] = outcomes["status"].fillna("missing")
    recipe = _recipe_numbers(untuned(outcomes, results.tuned_fields))
    return outcomes.assign(recipe=recipe).sort_values([*CELL, "seed"], ignore_index=True)


def untuned(outcomes: pd.DataFrame, tuned_fields: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The outcomes without the fields that their run has tuned: in these, templates are meant to differ."""
    for run, names in tuned_fields.items():
        outcomes = outcomes.assign(**{name: outcomes[name].mask(outcomes["run"] == run) for name in names})
    return outcomes


def _recipe_numbers(outcomes: pd.DataFrame) -> pd.Series[int]:
    columns = list(RECIPE_COLUMNS)
    # Only columns of objects that are not all null may hold lists. To look at every value of the others as well takes
    # half a second for 100,000 trials.
    objects = [name for name in columns if outcomes[name].dtype == object and outcomes[name].notna().any()]
    lists = {name: outcomes[name].map(_hashable) for name in objects}
    return outcomes[columns].assign(**lists).groupby(columns, dropna=False, sort=False).ngroup()


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value


def _cells(outcomes: pd.DataFrame) -> pd.DataFrame:
    groups = outcomes.groupby(CELL, sort=False)
    of_done = outcomes[outcomes["status"] == "done"].groupby(CELL, sort=False)
    counts = outcomes.groupby([*CELL, "status"], sort=False).size().unstack("status", fill_value=0)
    kinds = outcomes.groupby(list(ALIKE), dropna=False, sort=False).ngroup()
    return pd.DataFrame(
        {
            "seeds": groups.size(),
            **{status: counts.get(status, 0) for status in STATUSES},
            "mean": of_done["accuracy"].mean(),
            "std": of_done["accuracy"].std(ddof=1),
            **training_costs(outcomes),
            **{name: groups[name].first() for name in (*FROM_PLAN, *SETTING)},
            "uncut_memory_mb": groups[["params", "activations"]].first().pipe(_uncut_memory),
            "kinds": outcomes.assign(kind=kinds).groupby(CELL, sort=False)["kind"].agg(_distinct),
        }
    ).reset_index()


def _uncut_memory(costs: pd.DataFrame) -> pd.Series[float]:
    """Megabytes of 4 bytes per parameter and 8 per activation. The paper cuts each to whole MiB: `memory_mb`."""
    return (4 * costs["params"] + 8 * costs["activations"]) / 1e6


def _distinct(numbers: pd.Series[int]) -> str:
    return " ".join(str(number) for number in sorted(set(numbers)))
