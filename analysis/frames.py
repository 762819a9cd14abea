"""From run directories to tidy frames: the trials, epochs, profiles and the planned cells of one or several runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fdt_core.errors import UsageError
from fdt_core.results.columns import arrow_schema

ROW_KEY = ["trial_id", "sweep", "model", "template", "dataset", "budget_rule", "attempt"]
"""What makes a row of the trials unique. A run directory that two drivers wrote at once may hold doubles."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What one or several runs recorded. Every frame has a column `run`, the name of the run directory.

    Args:
        paths: the run directories, by run name.
        trials: one row per cell that ended and per failed attempt (`fdt_core.results.columns.TRIAL_COLUMNS`).
        profiles: measured costs, one row per model, template, data set and device.
        planned: one row per cell and seed that the plan asks for; empty where a run directory has no plan.
        notes: what was left out of the frames, and why, in sentences for the reader.
    """

    paths: dict[str, Path]
    trials: pd.DataFrame
    profiles: pd.DataFrame
    planned: pd.DataFrame
    notes: tuple[str, ...] = ()

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per trial, attempt and epoch, read at first use: there may be millions."""
        return pd.concat([_read(path, "epochs", run) for run, path in self.paths.items()], ignore_index=True)


def load(*runs: str | Path) -> Results:
    """Read the results of one or several run directories, finished or not.

    Raises:
        UsageError: a path is no run directory.
    """
    paths = _named([Path(run) for run in runs])
    everything = pd.concat([_read(path, "trials", run) for run, path in paths.items()], ignore_index=True)
    trials = everything.drop_duplicates(["run", *ROW_KEY], keep="last")
    doubles = len(everything) - len(trials)
    return Results(
        paths=paths,
        trials=trials.reset_index(drop=True),
        profiles=pd.concat([_read(path, "profiles", run) for run, path in paths.items()], ignore_index=True),
        planned=pd.concat([_planned(path, run) for run, path in paths.items()], ignore_index=True),
        notes=(f"{doubles} rows that were written twice are counted once.",) if doubles else (),
    )


def _named(paths: Iterable[Path]) -> dict[str, Path]:
    """The run directories by a name each: the folder's, or the whole path where two folders share a name."""
    found = [path for path in dict.fromkeys(paths)]
    if not found:
        raise UsageError("no run directory given")
    for path in found:
        if not (path / "results").is_dir():
            raise UsageError(f"{path} is not a run directory: it has no folder 'results'")
    names = [path.resolve().name for path in found]
    return {name if names.count(name) == 1 else str(path): path for name, path in zip(names, found, strict=True)}


def _read(path: Path, table: str, run: str) -> pd.DataFrame:
    """One Parquet data set of a run, with the columns of the present schema; absent ones are null."""
    schema = arrow_schema(table)
    folder = path / "results" / table
    if any(folder.glob("*.parquet")):
        frame = pd.read_parquet(folder)
    else:
        frame = schema.empty_table().to_pandas()
    frame = frame.reindex(columns=schema.names)
    frame.insert(0, "run", run)
    return frame


def _planned(path: Path, run: str) -> pd.DataFrame:
    """The cells of `plan.json`, one row per cell and seed."""
    columns = ["run", "trial_id", "model", "width", "template", "dataset", "seed"]
    plan = read_plan(path)
    frame = pd.DataFrame(plan.get("cells", []))
    frame["run"] = run
    return frame.reindex(columns=[*columns, *frame.columns.difference(columns)])


def read_plan(path: Path) -> dict[str, Any]:
    """The plan of a run directory as it stands on disk; empty where there is none."""
    file = path / "plan.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
