"""Which template would have done best with how many candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from analysis.tuning.expected_best import Values, expected_best, reach, resampled_best
from analysis.tuning.groups import Candidate, TunedGroup
from fdt_core.results.keys import BASE

_COLUMNS = (
    *("run", "model", "width", "variant", "dataset", "template", "candidates"),
    *("expected", "low", "high", "difference", "difference_low", "difference_high", "best"),
)

_LEAST = 2
"""An interval needs the spread of so many candidates."""

_Place = tuple[str, str, float, str, str]


def budget_frame(groups: Iterable[TunedGroup]) -> pd.DataFrame:
    """The expected best validation accuracy of each template, for each number of candidates.

    Accuracies are those of the first rung, which alone every candidate reaches, in the mean over the seeds of tuning. A
    candidate without one, because it diverged or was given up, counts like the worst of the model and data set: of any
    template, so that none gains by its own failures. A group counts once all of its candidates have ended that rung. Of
    candidates that TPE asked for, none counts: the estimate needs candidates drawn at random, alike for all templates.

    Returns:
        A row per template and number of `candidates`: `expected`, with a 95 % interval from `low` to `high`;
        `difference` to base, from `difference_low` to `difference_high` (NaN without base, and for it); and whether it
        is the `best` of several templates.
    """
    places: dict[_Place, list[TunedGroup]] = defaultdict(list)
    for group in groups:
        if len(group.drawn or ()) >= _LEAST:
            places[group.run, group.model, group.width, group.variant, group.dataset].append(group)
    frames = [_of_place(of_place) for of_place in places.values() if _is_known(of_place)]
    if not frames:
        return pd.DataFrame({name: pd.Series(dtype=object if name in _COLUMNS[:6] else float) for name in _COLUMNS})
    return pd.concat(frames, ignore_index=True)


def first_rung_accuracies(candidates: Iterable[Candidate]) -> list[float | None]:
    """The validation accuracy of each candidate at the first rung; None where it has none."""
    return [candidate.accuracy(1) for candidate in candidates]


def shown_budgets(count: int) -> list[int]:
    """The numbers of candidates that tables show: 1, 2, 4, ... and all."""
    return sorted({*(2**power for power in range(count.bit_length()) if 2**power < count), count})


def _is_known(groups: Sequence[TunedGroup]) -> bool:
    return any(value is not None for group in groups for value in first_rung_accuracies(group.drawn or ()))


def _of_place(groups: Sequence[TunedGroup]) -> pd.DataFrame:
    """The rows of one model, width, variant and data set."""
    scores = _filled([first_rung_accuracies(group.drawn or ()) for group in groups])
    expected, resampled = expected_best(scores), resampled_best(scores)
    around = reach(resampled)
    templates = [group.template for group in groups]
    difference, around_difference = np.full((2, *expected.shape), np.nan)
    if BASE in templates:
        base = templates.index(BASE)
        difference, around_difference = expected - expected[base], reach(resampled - resampled[:, [base]])
        difference[base] = np.nan
    best = (expected == expected.max(axis=0)) & (len(groups) > 1)
    count = scores.shape[1]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    **dict(zip(_COLUMNS, group.place, strict=False)),
                    "candidates": range(1, count + 1),
                    "expected": expected[row],
                    "low": np.clip(expected[row] - around[row], 0, 100),
                    "high": np.clip(expected[row] + around[row], 0, 100),
                    "difference": difference[row],
                    "difference_low": difference[row] - around_difference[row],
                    "difference_high": difference[row] + around_difference[row],
                    "best": best[row],
                }
            )
            for row, group in enumerate(groups)
        ]
    )


def _filled(accuracies: list[list[float | None]]) -> Values:
    """The accuracies by template and candidate; where there is none, the lowest of all."""
    scores = np.array(accuracies, dtype=float)
    return np.where(np.isnan(scores), np.nanmin(scores), scores)


def first_rung_words(groups: Iterable[TunedGroup]) -> str:
    """Where the accuracies of all candidates are compared."""
    every = list(groups)
    epochs = ", ".join(map(str, sorted({group.rungs[0] for group in every})))
    if any(len(group.rungs) > 1 for group in every):
        return f"at the first rung (epoch {epochs}), the only one that every candidate reaches"
    return f"at the end of the training (epoch {epochs}), which every candidate reaches"
