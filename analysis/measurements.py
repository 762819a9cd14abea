"""Measured speeds, one device and one way of running a network for each model: never a mixture in one column."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from analysis.keys import BLOCK, CELL
from analysis.records import records
from fdt_core.results.keys import measurement_key

SETTING = ["threads", "precision", "channels_last"]
"""How a cell's network is run."""

NOISY = 0.25
"""Where 80 % of the latencies spread by more than this part of their median, the machine was probably busy."""


def network_keys(frame: pd.DataFrame) -> pd.Series[Any]:
    """For each row of cells or profiles, the key of the network that a measured speed belongs to."""
    return pd.Series([measurement_key(row) for row in records(frame)], index=frame.index, dtype=object)


def latencies(cells: pd.DataFrame, profiles: pd.DataFrame, *, batch: int, device: str | None) -> pd.DataFrame:
    """The latency of each cell's network that has one, on the device and in the setting of its model.

    For each run, model, width and variant, that is what measured the most of its cells. So a device that measured all
    templates comes before one that lacks some.

    Args:
        cells: as `Study.cells`.
        profiles: as `Results.profiles`; of several measurements of a network, the last counts.
        batch: the batch size.
        device: name of the only device that counts; None: any.

    Returns:
        The columns of a cell, `latency_ms`, `latency_p10_ms`, `latency_p90_ms` and `latency_device`.
    """
    names = {
        f"latency_ms_b{batch}_median": "latency_ms",
        f"latency_ms_b{batch}_p10": "latency_p10_ms",
        f"latency_ms_b{batch}_p90": "latency_p90_ms",
        "device_name": "latency_device",
    }
    wanted = profiles if device is None else profiles[profiles["device_name"] == device]
    wanted = wanted[wanted[f"latency_ms_b{batch}_median"].notna()].sort_values("measured_at", kind="stable")
    wanted = wanted.assign(network=network_keys(wanted))
    wanted = wanted.drop_duplicates(["run", "network", "device_name"], keep="last")
    found = cells.assign(network=network_keys(cells))[[*CELL, *SETTING, "network"]].merge(
        wanted[["run", "network", *names]], on=["run", "network"]
    )
    return _of_one_kind(found, ["device_name", *SETTING]).rename(columns=names)[[*CELL, *names.values()]]


def training_costs(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Mean training time and peak memory of each cell's done seeds, on the device on which most of its model trained.

    Seeds on other devices, and those that moved between kinds of devices, are left out: the mean over a GPU and a CPU
    would describe neither.

    Returns:
        Indexed by cell: `train_seconds`, `peak_memory_mb`, `train_device`.
    """
    done = _of_one_kind(outcomes[(outcomes["status"] == "done") & on_one_device(outcomes)], ["device_name"])
    cells = done.groupby(CELL, sort=False)
    return pd.DataFrame(
        {
            "train_seconds": cells["train_seconds"].mean(),
            "peak_memory_mb": cells["peak_memory_mb"].mean(),
            "train_device": cells["device_name"].first(),
        }
    )


def on_one_device(outcomes: pd.DataFrame) -> pd.Series[bool]:
    """Whether each trial ran on one model of device from start to end, as far as its row says."""
    return outcomes["devices"].map(lambda names: len(set(names)) < 2 if isinstance(names, Collection) else True)


def _of_one_kind(rows: pd.DataFrame, kind: list[str]) -> pd.DataFrame:
    """By run, model, width and variant, the rows of the most frequent kind; of equally frequent ones, of the first."""
    rows = rows.reset_index(drop=True)
    kinds = rows.groupby([*BLOCK, *kind], dropna=False, sort=True)
    # Compared by number, not merged by value: pandas 2 reads a column of nothing but None back from its groups as
    # floats, and refuses to merge those with the column they came from.
    counted = rows[BLOCK].assign(kind=kinds.ngroup(), count=kinds["run"].transform("size"))
    ordered = counted.sort_values(["count", "kind"], ascending=[False, True])
    most = ordered.groupby(BLOCK, dropna=False)["kind"].transform("first")
    return rows[counted["kind"] == most.sort_index()]
