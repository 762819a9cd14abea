"""The learning curves of all trials, packed for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.curves import ATTEMPT, METRICS, thinned
from analysis.report.packing import packed_json
from analysis.statistics.arrays import Values
from analysis.study import Study

MOST_POINTS = 400_000
"""Most epochs in the page, over all trials; if there are more, every second, third, ... is shown."""


@dataclass(frozen=True, kw_only=True)
class CurveData:
    """The curves of `Study.outcomes`, row by row.

    Args:
        packed: packed JSON: a list with null or `{epoch: [...], test_accuracy: [...], ...}` per row.
        every: which epochs it contains: 1 = all, 2 = every second one and the last, ...
    """

    packed: str
    every: int


def curve_data(study: Study, most_points: int = MOST_POINTS) -> CurveData:
    """Pack the epochs of the trials that count, at most about `most_points` of them."""
    kept, every = thinned(study.results.epochs, ATTEMPT, most_points)
    rows = study.outcomes[list(ATTEMPT)].assign(row=range(len(study.outcomes)))
    kept = kept.merge(rows, on=list(ATTEMPT)).sort_values(["row", "epoch"], kind="stable")
    found: list[dict[str, list[Any]] | None] = [None] * len(rows)
    columns = {"epoch": kept["epoch"].tolist()} | {name: _digits(kept[name].to_numpy(dtype=float)) for name in METRICS}
    numbers, starts, lengths = np.unique(kept["row"], return_index=True, return_counts=True)
    for row, start, length in zip(numbers.tolist(), starts, lengths, strict=True):
        found[row] = {name: values[start : start + length] for name, values in columns.items()}
    return CurveData(packed=packed_json(found), every=every)


def _digits(values: Values) -> list[float | None]:
    """The values with four digits (whole numbers with all), which is all that a plot can show; None if not finite."""
    finite = np.isfinite(values)
    size = np.floor(np.log10(np.abs(values), where=finite & (values != 0), out=np.zeros(len(values))))
    # Divided by a power of ten, not multiplied by its inverse: the quotient is the float with the fewest digits.
    scale = 10.0 ** np.clip(3 - size, 0, None)
    rounded = np.round(np.where(finite, values, 0.0) * scale) / scale
    return [value if known else None for value, known in zip(rounded.tolist(), finite.tolist(), strict=True)]
