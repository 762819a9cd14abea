"""A study: results seen with one choice of accuracy, batch size and device. Everything shown follows from it.

Cells that are planned but have no row are kept, so that nothing missing is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.frames import Results, load
from analysis.keys import BLOCK, CELL, STATUSES, dataset_order, model_name, template_order
from analysis.statistics.differences import differences_between_runs, differences_to_base
from fdt_core.errors import UsageError, unknown_name
from fdt_core.results.columns import PROFILE_BATCH_SIZES

ACCURACIES = {"final": "final_test_accuracy", "best": "best_test_accuracy"}
"""The kinds of test accuracy: after the last epoch, or of the best epoch, which was chosen on the test set itself."""

COMPUTED = ["params", "macs", "paper_flops", "memory_mb", "activations"]
"""The costs that follow from the model alone: the same for every seed of a cell."""

FROM_PLAN = ["widths", "n", *COMPUTED, "budget_metric", "budget_rule", "budget_target", "budget_error"]
"""What is known of a cell before it is trained."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Results, and how to look at them.

    Args:
        results: what the runs recorded.
        accuracy: `final` or `best`. One study has one kind: they are never mixed.
        batch: the batch size whose inference latency counts.
        device: name of the device whose latency counts; default: the one with the most profiles.

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
        """Names of the devices with profiles, the one with the most first."""
        return [str(name) for name in self.results.profiles["device_name"].value_counts().index]

    @cached_property
    def latency_device(self) -> str | None:
        """The device whose latency is shown; None where no profile was measured."""
        return self.device or next(iter(self.devices), None)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per cell and seed, in their order: the columns of trials, `accuracy` in per cent, `status`.

        The status may also be `missing`. Of several attempts the done one counts, else the last. Of several trials of
        one cell and seed (a sweep file that was changed and launched again) the planned one counts, else the last that
        ended.
        """
        return _outcomes(self.results, ACCURACIES[self.accuracy])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: `seeds`, the number of seeds by status, accuracy `mean` and `std` (ddof 1), and costs.

        The costs are those of `COMPUTED`, `train_seconds` and `peak_memory_mb` (means over done seeds) and
        `latency_ms`, `latency_p10_ms`, `latency_p90_ms` of a batch.
        """
        cells = _cells(self.outcomes)
        return cells.merge(_latency(self.results.profiles, self.batch, self.latency_device), on=CELL, how="left")

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every template against base: see `analysis.statistics.differences.paired_differences`."""
        return differences_to_base(self.outcomes)

    @cached_property
    def differences_between_runs(self) -> pd.DataFrame:
        """Every cell of the other runs against the same cell of the first run; no rows for one run."""
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
        """A title and the cells of each run, model and width. The run is named where there are several."""
        several = self.cells["run"].nunique() > 1
        for (run, model, width), cells in self.cells.groupby(BLOCK, sort=True):
            title = model_name(str(model), float(str(width)))
            yield (f"{run}: {title}" if several else title), cells


def study(*runs: str | Path, accuracy: str = "final", batch: int = 16, device: str | None = None) -> Study:
    """The study of one or several run directories: `analysis.load` and a `Study` in one."""
    return Study(results=load(*runs), accuracy=accuracy, batch=batch, device=device)


def _outcomes(results: Results, accuracy: str) -> pd.DataFrame:
    is_done = results.trials["status"] == "done"
    identity = ["run", "trial_id", "template"]
    wanted = pd.MultiIndex.from_frame(results.planned[identity])
    trials = results.trials.assign(
        accuracy=results.trials[accuracy].where(is_done),
        is_done=is_done,
        is_planned=pd.MultiIndex.from_frame(results.trials[identity]).isin(wanted),
    )
    latest = trials.sort_values(["is_planned", "is_done", "attempt", "finished_at"], kind="stable")
    latest = latest.drop_duplicates([*CELL, "seed"], keep="last").drop(columns=["is_done", "is_planned"])
    planned = results.planned[[*CELL, "seed", "trial_id", "sweep", *FROM_PLAN]]
    seen = pd.MultiIndex.from_frame(latest[[*CELL, "seed"]])
    missing = planned[~pd.MultiIndex.from_frame(planned[[*CELL, "seed"]]).isin(seen)].assign(status="missing")
    filled = [frame for frame in (latest, missing.reindex(columns=latest.columns)) if len(frame)]
    outcomes = pd.concat(filled, ignore_index=True) if filled else latest
    return outcomes.sort_values([*CELL, "seed"], ignore_index=True)


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
            **{name: groups[name].first() for name in FROM_PLAN},
        }
    ).reset_index()


def _latency(profiles: pd.DataFrame, batch: int, device: str | None) -> pd.DataFrame:
    """The last measurement of each cell on `device`."""
    measured = profiles[profiles["device_name"] == device].sort_values("measured_at").drop_duplicates(CELL, keep="last")
    names = {
        f"latency_ms_b{batch}_median": "latency_ms",
        f"latency_ms_b{batch}_p10": "latency_p10_ms",
        f"latency_ms_b{batch}_p90": "latency_p90_ms",
    }
    return measured[[*CELL, *names]].rename(columns=names)
