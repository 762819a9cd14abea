"""Rows that belong to no cell of the frozen plan, and how each of them differs from the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.recipes import RECIPE, value_text
from analysis.records import Record, records
from analysis.study import Study
from fdt_core.results.tuning import TUNED

_LABELS = {"model": "model", "variant": "variant", "template": "template", "dataset": "data set"}
_SAME_PLACE = ("run", *_LABELS)
_COMPARED = ("sweep", "width", *RECIPE, "threads", "budget_metric", "budget_rule", "budget_target", "widths")


def former_rows(study: Study) -> pd.DataFrame:
    """`Results.former` with a column `difference`: how each row differs from the plan, as part of a sentence."""
    former, planned = study.results.former, records(study.results.planned)
    places: dict[tuple[object, ...], list[Record]] = {}
    for trial in planned:
        places.setdefault(_place(trial), []).append(trial)
    names = {(trial["run"], label, trial[label]) for trial in planned for label in _LABELS}
    differences = [
        _of_tuning(study, row) or ", ".join(_differences(row, places.get(_place(row), []), names))
        for row in records(former)
    ]
    return former.assign(difference=pd.Series(differences, index=former.index, dtype=object))


def _place(trial: Record) -> tuple[object, ...]:
    return tuple(trial[name] for name in _SAME_PLACE)


def _of_tuning(study: Study, row: Record) -> str:
    """Why a row does not count that tuned, or whose settings are not those that tuning chose; empty for others."""
    if row["stage"] == TUNED:
        return f"candidate {row['candidate']} of tuning not planned"
    group = next((group for group in study.results.tuned if group.serves(row)), None)
    if group is None or not row["candidate"] or row["candidate"] == group.halving.winner:
        return ""
    return f"candidate {row['candidate']} (chosen: {group.halving.winner or 'none'})"


def _differences(row: Record, planned: list[Record], names: set[tuple[str, str, str]]) -> Iterator[str]:
    """How `row` differs from the plan.

    Args:
        row: a row of a former plan.
        planned: the planned trials with the row's model, variant, template and data set.
        names: (run, kind of name, name) of all planned models, templates and data sets.
    """
    if not planned:
        unknown = [
            f"{word} {row[label] or 'none'}"
            for label, word in _LABELS.items()
            if (row["run"], label, row[label]) not in names
        ]
        yield f"{', '.join(unknown)} not planned" if unknown else "combination not planned"
        return
    seed = row["seed"]
    same_seed = [trial for trial in planned if trial["seed"] == seed]
    if not same_seed:
        yield f"seed {seed} not planned"
    trial = (same_seed or planned)[0]
    changed = [name for name in _COMPARED if value_text(row[name]) != value_text(trial[name])]
    for name in changed:
        yield f"{name} {value_text(row[name]) or 'none'} (plan: {value_text(trial[name]) or 'none'})"
    if same_seed and not changed:
        yield "code of the model or of fdt-sweep"
