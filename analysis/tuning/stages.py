"""Trainings that tune, kept apart from those that are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.records import Record, records
from analysis.tuning.groups import PLACE, TunedGroup, tuned_fields, tuned_groups
from fdt_core.results.keys import CELL_KEY, cell_key
from fdt_core.results.tuning import TUNED, Tuning, TuningGroup

Plan = list[dict[str, Any]]
"""The planned trials of a run."""

_POINT = tuple(name for name in (*CELL_KEY, "width", "seed") if name != "trial_id")
"""What a planned trial of the comparison is for: one candidate is trained for it."""

_PROGRESS = ("failure_kind", "attempt", "status", "epochs_trained", "rung_accuracies", "rung_losses")
"""The columns of `trials` that tell how far a candidate got."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What the runs tune, and what they compare.

    Args:
        plans: for each run, what is compared: each training once, with the chosen candidate. None without a plan.
        is_tuning: for each row of `trials`, whether it is of a planned training of tuning.
        may_count: for each row, whether it may count in a comparison: it is not of tuning, nor of a training whose
            settings are not chosen yet.
        groups: the groups of candidates.
        fields: for each run that tunes, the tuned fields of the recipe.
    """

    plans: Mapping[str, Plan | None]
    is_tuning: pd.Series[bool]
    may_count: pd.Series[bool]
    groups: tuple[TunedGroup, ...]
    fields: Mapping[str, tuple[str, ...]]


def split_stages(
    plans: Mapping[str, Plan | None],
    tunings: Mapping[str, Tuning | None],
    trials: pd.DataFrame,
    forgiven: Mapping[str, Mapping[str, int]],
) -> Stages:
    """Split the plans and rows of runs.

    Args:
        plans: the planned trials of each run; None without a plan, when all of its rows of tuning count as planned.
        tunings: how each run tunes.
        trials: all rows of `trials`, with their `run`.
        forgiven: for each run, and each trial that is retried, the last attempt whose failure no longer counts.
    """
    of_tuning = trials["stage"] == TUNED
    is_tuning, may_count = of_tuning.copy(), ~of_tuning
    compared = dict(plans)
    groups: list[TunedGroup] = []
    fields: dict[str, tuple[str, ...]] = {}
    for run, plan in plans.items():
        rows, tuning = trials[trials["run"] == run], tunings[run]
        if plan is None:
            fields[run] = tuned_fields(records(rows[rows["stage"] == TUNED]))
            continue
        candidates = [trial for trial in plan if trial["stage"] == TUNED]
        is_tuning[rows.index] &= _among(rows, candidates)
        if tuning is None:
            continue
        fields[run] = tuned_fields(candidates)
        how_far = _how_far(rows[is_tuning[rows.index]])
        found = tuned_groups(run, candidates, how_far, tuning, fields[run], forgiven[run])
        winners = {group.key: group.halving.winner for group in found}
        compared[run] = _with_winners(plan, winners, tuning)
        has_winner = [winners.get(tuning.group(row)) is not None for row in records(rows[list(PLACE)])]
        may_count[rows.index] &= np.array(has_winner, dtype=bool)
        groups += found
    return Stages(
        plans=compared,
        is_tuning=is_tuning,
        may_count=may_count,
        groups=tuple(groups),
        fields={run: names for run, names in fields.items() if names},
    )


def _among(rows: pd.DataFrame, planned: Plan) -> NDArray[np.bool_]:
    """Whether each row is of one of the planned trials."""
    if not (keys := set(map(cell_key, planned))):
        return np.zeros(len(rows), dtype=bool)
    return np.array([cell_key(row) in keys for row in records(rows[list(CELL_KEY)])], dtype=bool)


def _how_far(rows: pd.DataFrame) -> list[Record]:
    """Rows of one run, with the columns that tell how far candidates got."""
    return records(rows[[*CELL_KEY, *_PROGRESS]].fillna({"epochs_trained": 0}))


def _with_winners(plan: Plan, winners: Mapping[TuningGroup, str | None], tuning: Tuning) -> Plan:
    """What is compared, once each: with the winner of its group, or the first candidate if there is none."""
    chosen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for trial in plan:
        if trial["stage"] != TUNED:
            point = tuple(trial[name] for name in _POINT)
            if point not in chosen or trial["candidate"] == winners.get(tuning.group(trial)):
                chosen[point] = trial
    return list(chosen.values())
