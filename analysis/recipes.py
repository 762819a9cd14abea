"""How the trials were trained: which choices are the same everywhere, and which differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from analysis.keys import BLOCK, block_title
from analysis.study import Study, untuned
from fdt_core.results.columns import RECIPE_COLUMNS
from fdt_core.results.keys import BASE

RECIPE = list(RECIPE_COLUMNS)

FOR_EACH = ", for each template by itself"
FOR_BASE = f", on {BASE} alone for all templates, which favours {BASE}"
"""For whom settings are tuned, as the end of a sentence."""

_COMPARED = [*RECIPE, "budget_metric", "budget_rule", "dataset_digest"]
"""Columns that should be the same for all templates of one model on one data set."""


def unlike_trainings(study: Study) -> Iterator[str]:
    """A sentence for each model and data set whose templates were not all trained alike, apart from what is tuned."""
    done = untuned(study.outcomes[study.outcomes["status"] == "done"], study.results.tuned_fields)
    shown = done[_COMPARED].apply(value_texts)
    several = done["run"].nunique() > 1
    for (run, model, width, variant, dataset), rows in done.groupby([*BLOCK, "dataset"]):
        counts = shown.loc[rows.index].nunique()
        if unlike := list(counts.index[counts > 1]):
            title = block_title(run, model, width, variant, several_runs=several)
            yield f"{title} on {dataset}: the trials differ in {', '.join(unlike)}, which affects their accuracies too."


def unlike_runs(study: Study) -> Iterator[str]:
    """A sentence on how the compared runs differ, apart from their names; none for one run."""
    done = study.outcomes[study.outcomes["status"] == "done"]
    shown = done[_COMPARED].apply(value_texts).assign(run=done["run"], dataset=done["dataset"])
    values = shown.groupby(["run", "dataset"])[_COMPARED].agg(_distinct)
    counts, tuned = values.groupby("dataset").nunique().max(), set(chain(*study.results.tuned_fields.values()))
    if unlike := [f"{name}{' (tuned)' if name in tuned else ''}" for name in counts.index[counts > 1]]:
        yield f"The runs differ in {', '.join(unlike)}: the differences in accuracy are the effect of all of these."


def tuned_sentences(study: Study) -> Iterator[str]:
    """For each run that tunes: what was tuned, and for which templates."""
    several = len(study.results.paths) > 1
    tunings = {group.run: group.tuning for group in study.results.tuned}
    for run, names in study.results.tuned_fields.items():
        tuning = tunings.get(run)
        whom = "" if tuning is None else FOR_EACH if tuning.every_template else FOR_BASE
        how = "; candidates of its own, by TPE" if tuning and tuning.tpe else ""
        yield f"{f'{run}: ' if several else ''}Tuned: {', '.join(names)}{whom}{how}."


def _distinct(values: pd.Series[str]) -> str:
    return "; ".join(sorted(set(values)))


def values_by_dataset(study: Study, column: str) -> str:
    """The distinct values of a column; if there are several, with the data sets they belong to."""
    known = study.outcomes.loc[study.outcomes["status"] != "missing", ["dataset", column]]
    known = known.assign(shown=value_texts(known[column]))
    known = known[known["shown"] != ""]
    groups = known.groupby("shown", sort=True)["dataset"].unique()
    if len(groups) == 1:
        return str(groups.index[0])
    return "; ".join(f"{shown} ({', '.join(sorted(datasets))})" for shown, datasets in groups.items())


def value_texts(column: pd.Series[Any]) -> pd.Series[str]:
    """The values of a column as text. Equal ones are written once, which takes half a second less for 20,000 trials."""
    if column.dtype == object:  # may hold lists
        return column.map(value_text)
    codes, values = pd.factorize(column)
    texts = np.array([*map(value_text, values), ""], dtype=object)
    return pd.Series(texts[codes], index=column.index)


def value_text(value: Any) -> str:
    """A value of the results as text; empty for null."""
    if isinstance(value, np.ndarray | list | tuple):
        return ", ".join(map(value_text, value))
    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
