"""How the trials were trained: which choices are the same everywhere, and where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from analysis.keys import BLOCK, model_name
from analysis.study import Study
from fdt_core.recipe import Recipe

RECIPE = [field.name for field in fields(Recipe)]


def unlike_trainings(study: Study) -> Iterator[str]:
    """A sentence for each model and data set whose templates were not all trained alike."""
    done = study.outcomes[study.outcomes["status"] == "done"]
    shown = done[RECIPE].map(value_text)
    for (_, model, width, dataset), rows in done.groupby([*BLOCK, "dataset"]):
        counts = shown.loc[rows.index].nunique()
        if unlike := list(counts.index[counts > 1]):
            title = model_name(str(model), float(str(width)))
            yield f"{title} on {dataset}: the trials differ in {', '.join(unlike)}; their accuracies mix its effect in."


def values_by_dataset(study: Study, column: str) -> str:
    """The distinct values of a column, with the data sets they belong to where there are several."""
    known = study.outcomes.loc[study.outcomes["status"] != "missing", ["dataset", column]]
    known = known.assign(shown=known[column].map(value_text))
    known = known[known["shown"] != ""]
    groups = known.groupby("shown", sort=True)["dataset"].unique()
    if len(groups) == 1:
        return str(groups.index[0])
    return "; ".join(f"{shown} ({', '.join(sorted(datasets))})" for shown, datasets in groups.items())


def value_text(value: Any) -> str:
    """A value of the results as text; empty for null."""
    if isinstance(value, np.ndarray | list | tuple):
        return ", ".join(map(value_text, value))
    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
