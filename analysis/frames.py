"""Tidy frames from run directories: trials, epochs, profiles and planned cells of one or several runs.

Only rows that the run's frozen plan asks for count. Rows that belong to no planned cell, because the sweep file was
changed and launched again, are kept apart in `Results.former`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.keys import CELL, CELL_ROW
from analysis.records import records
from analysis.tuning.groups import PLACE, TunedGroup
from analysis.tuning.stages import split_stages
from fdt_core.errors import UsageError
from fdt_core.results.cell_filter import AXES, cell_filters, filter_text
from fdt_core.results.columns import PLANNED_COLUMNS, arrow_schema
from fdt_core.results.damage import find_damage
from fdt_core.results.decisions import COMPARISON, Comparison, asked_seeds, current_decisions, recorded_looks
from fdt_core.results.looks import Looks
from fdt_core.results.plan_file import PLAN_FILE
from fdt_core.results.planned import forgiven_failures, left_out, planned_looks, planned_trials, planned_tuning
from fdt_core.results.reader import read_table
from fdt_core.results.run_lookup import find_run_path

LastDecisions = Mapping[Comparison, Mapping[str, Any]]
"""The last decision on each comparison of a run that has one."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What one or several runs recorded. Every frame has a column `run`, the name of the run directory.

    Args:
        paths: the run directories, by run name, in the order given.
        trials: one row per finished planned cell and per failed attempt (`fdt_core.results.columns.TRIAL_COLUMNS`).
        former: the rows of trials that belong to no planned cell, with the same columns.
        profiles: measured costs, one row per network, device and way of running it (`PROFILE_COLUMNS`).
        planned: one row per cell and seed that the plan asks for, with the columns of trials that a plan contains.
        spared: the same for trainings of runs with adaptive seeds that no look has asked for.
        looks: when runs with adaptive seeds looked at their comparisons, by run.
        decisions: the last decision on each comparison of these runs: the columns of a cell, and those of `decisions`.
        tuning: the rows of trials that tuned, with the same columns. They are in no other frame.
        tuned: the groups of candidates of runs that tune, and what is decided in each.
        tuned_fields: for each run that tunes, the fields of the recipe in which its candidates differ.
        notes: sentences for the reader on damage in the runs and on what the frames assume.
    """

    paths: dict[str, Path]
    trials: pd.DataFrame
    former: pd.DataFrame
    profiles: pd.DataFrame
    planned: pd.DataFrame
    spared: pd.DataFrame
    looks: Mapping[str, Looks]
    decisions: pd.DataFrame
    tuning: pd.DataFrame
    tuned: tuple[TunedGroup, ...]
    tuned_fields: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per planned trial, attempt and epoch (`EPOCH_COLUMNS`), read on first use: there may be millions."""
        every = self._all_epochs
        return every[~_of(self.tuning, every)].reset_index(drop=True) if len(self.tuning) else every

    @cached_property
    def tuning_epochs(self) -> pd.DataFrame:
        """The same of the trials that tuned."""
        return self._all_epochs[_of(self.tuning, self._all_epochs)].reset_index(drop=True)

    @cached_property
    def _all_epochs(self) -> pd.DataFrame:
        wanted = pd.concat([self.planned[["run", "trial_id"]], self.tuning[["run", "trial_id"]]])
        planned = wanted.groupby("run")["trial_id"].agg(set)
        frames = {run: _read(path, "epochs") for run, path in self.paths.items()}
        for run, path in self.paths.items():
            if (path / PLAN_FILE).is_file():
                frames[run] = frames[run][frames[run]["trial_id"].isin(planned.get(run, set()))]
        return _together(frames)

    def matching(self, filters: Sequence[str]) -> Results:
        """The results of the cells that every filter keeps, such as `template=base,a` or `dataset!=digits`.

        Raises:
            UsageError: what is no filter, an axis or a value that the results do not have, or a choice of nothing.
        """
        if not filters:
            return self
        chosen = cell_filters(filters, {axis: self.planned[axis].tolist() for axis in AXES})

        def kept(frame: pd.DataFrame) -> pd.DataFrame:
            for each in chosen:
                frame = frame[frame[each.axis].map(each.keeps).astype(bool)]
            return frame.reset_index(drop=True)

        planned = kept(self.planned)
        # Candidates have seeds of their own, and may serve other templates than the one they are trained with.
        cells = planned[["run", *PLACE]].drop_duplicates()
        tuned = tuple(group for group in self.tuned if any(map(group.serves, records(cells))))
        trained = {group.place for group in tuned} | set(cells.itertuples(index=False, name=None))
        of_tuning = pd.MultiIndex.from_frame(self.tuning[["run", *PLACE]]).isin(trained)
        if planned.empty:
            raise UsageError(f"{filter_text(filters)}: no cell is left")
        corrected = "for the whole study with adaptive seeds, else for these alone" if self.looks else "for these alone"
        note = f"{filter_text(filters)}: all other cells are left out, and comparisons are corrected {corrected}"
        return replace(
            self,
            trials=kept(self.trials),
            former=kept(self.former),
            planned=planned,
            spared=kept(self.spared),
            # A look is at all seeds: of some of them alone, it says nothing.
            decisions=self.decisions.iloc[:0] if any(each.axis == "seed" for each in chosen) else kept(self.decisions),
            tuning=self.tuning[of_tuning].reset_index(drop=True),
            tuned=tuned,
            notes=(*self.notes, note),
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """A note for each run that has rows of former plans."""
        counts = self.former["run"].value_counts(sort=False)
        return tuple(f"{run}: {left_out(int(rows))}" for run, rows in counts.items())


def load(*runs: str | Path) -> Results:
    """Read the results of one or several runs, finished or not. Writes nothing.

    A run is given by its directory, or by its name in $FDT_RUNS_DIR or ./runs.

    A run without plan.json, such as a copied `results` folder, is treated as its own plan. If one cell and seed was
    trained several times, the done training that ended last then counts, and the others are `former`.

    Raises:
        UsageError: there is no such run.
        EnvironmentProblem: a plan is damaged, or was written by a newer version.
    """
    paths = _named([path if (path := Path(run)).is_dir() else find_run_path(path) for run in runs])
    trials = _together({run: _read(path, "trials") for run, path in paths.items()})
    planned_as = {run: planned_trials(path) for run, path in paths.items()}
    tunings = {run: planned_tuning(path) for run, path in paths.items()}
    forgiven = {run: forgiven_failures(path) if tunings[run] else {} for run, path in paths.items()}
    stages = split_stages(planned_as, tunings, trials, forgiven)
    plans = stages.plans
    decided = {run: read_table(_results(path), "decisions").rows.to_pylist() for run, path in paths.items()}
    found = {run: recorded_looks(decided[run]) if plans[run] is None else planned_looks(paths[run]) for run in paths}
    looks = {run: of_run for run, of_run in found.items() if of_run is not None}
    every = _planned(plans, trials[stages.may_count])
    decisions = {run: _last_decisions(decided[run], of_run) for run, of_run in looks.items()}
    planned, spared = _split_by_asked(every, trials, decisions, looks)
    in_plan = pd.MultiIndex.from_frame(trials[CELL_ROW]).isin(pd.MultiIndex.from_frame(planned[CELL_ROW]))
    is_planned = stages.may_count & in_plan
    return Results(
        paths=paths,
        trials=trials[is_planned].reset_index(drop=True),
        former=trials[~is_planned & ~stages.is_tuning].reset_index(drop=True),
        profiles=_together({run: _read(path, "profiles") for run, path in paths.items()}),
        planned=planned,
        spared=spared,
        looks=looks,
        decisions=_together(
            {run: _decision_frame(rows.values()) for run, rows in decisions.items()} or {"": _decision_frame(())}
        ),
        tuning=trials[stages.is_tuning].reset_index(drop=True),
        tuned=stages.groups,
        tuned_fields=stages.fields,
        notes=(*_damage(paths), *(_without_plan(run) for run, plan in plans.items() if plan is None)),
    )


def run_directory(path: Path) -> Path | None:
    """The run directory that `path` names: itself, or the parent of a `results` folder; None if it is neither.

    A folder with only the tables, under any name, counts as a run too.
    """
    if (path / "results").is_dir():
        return path
    if (path / "trials").is_dir():
        return path.parent if path.name == "results" else path
    return None


def _of(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row of `epochs` is of one of the trials."""
    keys = pd.MultiIndex.from_frame(trials[["run", "trial_id"]])
    return pd.Series(pd.MultiIndex.from_frame(epochs[["run", "trial_id"]]).isin(keys), index=epochs.index)


def _named(paths: Iterable[Path]) -> dict[str, Path]:
    """The run directories by name: the folder's name, or the whole path if two folders share a name."""
    found = []
    for path in dict.fromkeys(paths):
        if (directory := run_directory(path)) is None:
            raise UsageError(f"{path} is not a run directory: it has no folder 'results'")
        found.append(directory)
    if not found:
        raise UsageError("no run directory given")
    names = [path.resolve().name for path in found]
    return {name if names.count(name) == 1 else str(path): path for name, path in zip(names, found, strict=True)}


def _results(path: Path) -> Path:
    """The folder with the tables of a run directory."""
    return path / "results" if (path / "results").is_dir() else path


def _read(path: Path, table: str) -> pd.DataFrame:
    frame: pd.DataFrame = read_table(_results(path), table).rows.to_pandas()
    return frame


def _together(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of several runs in one frame, with the run's name in the last column."""
    # pandas guesses types from empty frames, so they are left out unless all are empty.
    filled = {run: frame for run, frame in frames.items() if len(frame)} or dict(list(frames.items())[:1])
    return pd.concat([frame.assign(run=run) for run, frame in filled.items()], ignore_index=True)


def _planned(plans: Mapping[str, list[dict[str, Any]] | None], trials: pd.DataFrame) -> pd.DataFrame:
    """The planned cells of all runs, one row per cell and seed. A run without a plan is its own plan."""
    cells = {
        run: _from_rows(trials[trials["run"] == run])
        if plan is None
        else pd.DataFrame(plan, columns=list(PLANNED_COLUMNS))
        for run, plan in plans.items()
    }
    return _together(cells)


def _from_rows(trials: pd.DataFrame) -> pd.DataFrame:
    """The planned cells, derived from the rows of a run without a plan."""
    ordered = trials.assign(is_done=trials["status"] == "done").sort_values(["is_done", "finished_at"], kind="stable")
    return ordered.drop_duplicates([*CELL, "seed"], keep="last")[list(PLANNED_COLUMNS)]


def _decision_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `decisions` as a frame with the types of that table, also without any rows."""
    import pyarrow as pa

    stored = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema("decisions"))
    frame: pd.DataFrame = stored.to_pandas()
    return frame


def _last_decisions(rows: Iterable[Mapping[str, Any]], looks: Looks) -> LastDecisions:
    """The last decision on each comparison that has one; a launch withdraws those that are no longer planned."""
    return {comparison: taken[-1] for comparison, taken in current_decisions(rows, looks).items() if taken}


def _split_by_asked(
    planned: pd.DataFrame, trials: pd.DataFrame, decisions: Mapping[str, LastDecisions], looks: Mapping[str, Looks]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The planned trainings, and those of adaptive runs that have no row and that no look has asked for."""
    spared = pd.Series(False, index=planned.index)
    for run, of_run in looks.items():
        cells = planned[planned["run"] == run]
        comparisons = pd.Series(list(cells[list(COMPARISON)].itertuples(index=False, name=None)), index=cells.index)
        counts = asked_seeds(dict.fromkeys(comparisons), decisions[run], of_run)
        spared[cells.index] = cells["seed"].rank(method="dense") > comparisons.map(counts)
    if spared.any():
        spared &= ~pd.MultiIndex.from_frame(planned[CELL_ROW]).isin(pd.MultiIndex.from_frame(trials[CELL_ROW]))
    return planned[~spared].reset_index(drop=True), planned[spared].reset_index(drop=True)


def _damage(paths: Mapping[str, Path]) -> list[str]:
    return [f"{run}: {problem}" for run, path in paths.items() for problem in find_damage(_results(path))]


def _without_plan(run: str) -> str:
    return f"{run}: there is no plan.json, so all rows count as planned, and missing trials are unknown"
