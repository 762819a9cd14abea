"""From run directories to tidy frames: the trials, epochs, profiles and planned cells of one or several runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fdt_core.errors import UsageError
from fdt_core.plan_file import read_plan_file
from fdt_core.results.columns import TABLES
from fdt_core.results.reader import StoredTable, read_table


@dataclass(frozen=True, kw_only=True)
class Results:
    """What one or several runs recorded. Every frame has a column `run`, the name of the run directory.

    Args:
        paths: the run directories, by run name, in the order given.
        trials: one row per cell that ended and per failed attempt (`fdt_core.results.columns.TRIAL_COLUMNS`).
        profiles: measured costs, one row per model, template, data set and device (`PROFILE_COLUMNS`).
        planned: one row per cell and seed that the plan asks for, with the columns of trials that a plan knows.
        notes: what the frames leave out, and why, in sentences for the reader.
    """

    paths: dict[str, Path]
    trials: pd.DataFrame
    profiles: pd.DataFrame
    planned: pd.DataFrame
    notes: tuple[str, ...] = ()

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per trial, attempt and epoch (`EPOCH_COLUMNS`), read at first use: there may be millions."""
        return _together({run: read_table(path / "results", "epochs") for run, path in self.paths.items()})


def load(*runs: str | Path) -> Results:
    """Read the results of one or several run directories, finished or not. Writes nothing.

    Raises:
        UsageError: a path is no run directory.
        EnvironmentProblem: a plan is damaged.
    """
    paths = _named([Path(run) for run in runs])
    trials = {run: read_table(path / "results", "trials") for run, path in paths.items()}
    profiles = {run: read_table(path / "results", "profiles") for run, path in paths.items()}
    return Results(
        paths=paths,
        trials=_together(trials),
        profiles=_together(profiles),
        planned=pd.concat([_planned(path, run) for run, path in paths.items()], ignore_index=True),
        notes=(*_left_out(trials), *_left_out(profiles)),
    )


def _named(paths: Iterable[Path]) -> dict[str, Path]:
    """The run directories by a name each: the folder's, or the whole path where two folders share a name."""
    found = list(dict.fromkeys(paths))
    if not found:
        raise UsageError("no run directory given")
    for path in found:
        if not (path / "results").is_dir():
            raise UsageError(f"{path} is not a run directory: it has no folder 'results'")
    names = [path.resolve().name for path in found]
    return {name if names.count(name) == 1 else str(path): path for name, path in zip(names, found, strict=True)}


def _together(tables: dict[str, StoredTable]) -> pd.DataFrame:
    """The rows of several runs below each other, with the run's name in the first column."""
    frames: dict[str, pd.DataFrame] = {run: table.rows.to_pandas() for run, table in tables.items()}
    # pandas guesses types from empty frames, so these are left out unless all are empty.
    filled = {run: frame for run, frame in frames.items() if len(frame)} or dict(list(frames.items())[:1])
    return pd.concat([frame.assign(run=run) for run, frame in filled.items()], ignore_index=True)


def _left_out(tables: dict[str, StoredTable]) -> list[str]:
    notes = [
        f"{run}: {table.doubled} rows were written twice and are counted once."
        for run, table in tables.items()
        if table.doubled
    ]
    notes += [
        f"{run}: {path.name} is damaged and left out ({path})."
        for run, table in tables.items()
        for path in table.damaged
    ]
    return notes


def _planned(path: Path, run: str) -> pd.DataFrame:
    """The cells of the plan, one row per cell and seed; no rows where the run directory has no plan."""
    known = [column.name for column in TABLES["trials"]]
    frame = pd.DataFrame(read_plan(path).get("trials", []), columns=known)
    return frame.assign(run=run)


def read_plan(path: Path) -> dict[str, Any]:
    """The frozen plan of a run directory as plain data; empty where there is none.

    Raises EnvironmentProblem where it is damaged or a newer fdt-sweep wrote it.
    """
    return read_plan_file(path / "plan.json") or {}
