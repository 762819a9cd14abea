"""The number of seeds that Dunnett's test needs to find a difference."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq

POWER = 0.8
ALPHA = 0.05
MOST = 100
"""The largest number of seeds computed; more is infinity."""

LEAST_FOR_RANGE = 3
"""Seeds in common from which a number is given: two say too little about the size of a difference."""

RANGE = 0.8
"""How often the range of seeds contains the number that would be needed."""

_REACH = 50.0
"""Largest non-centrality at which the power is computed; if it is not enough, the seeds are too few."""


@cache
def detectable_effect(seeds: int, *, df_per_seed: float = 1.0, tests: int = 1, power: float = POWER) -> float:
    """The smallest true difference, in units of the error, that a two-sided test finds with this power.

    Args:
        seeds: seeds per template.
        df_per_seed: degrees of freedom of the error for each seed after the first.
        tests: number of comparisons in the family (Bonferroni's correction, which needs slightly more seeds than
            Dunnett's).
        power: the chance to find it.

    Returns:
        Infinity if this number of seeds finds none.
    """
    df = df_per_seed * (seeds - 1)
    critical = float(stats.t.isf(ALPHA / (2 * tests), df))
    scale = math.sqrt(seeds / 2)

    def lacking(effect: float) -> float:
        return float(stats.nct.sf(critical, df, effect * scale)) - power

    largest = _REACH / scale
    return float(brentq(lacking, 0.0, largest, xtol=1e-4)) if lacking(largest) > 0 else math.inf


def seeds_needed(effect: ArrayLike, *, df_per_seed: float = 1.0, tests: int = 1) -> NDArray[np.float64]:
    """Seeds in all (2 to `MOST`, otherwise infinity) that find a true difference of `effect` standard deviations."""
    counts = np.arange(2, MOST + 1)
    rising = -np.array([detectable_effect(int(seeds), df_per_seed=df_per_seed, tests=tests) for seeds in counts])
    places = np.searchsorted(rising, -np.abs(np.asarray(effect, dtype=float)))
    needed: NDArray[np.float64] = np.append(counts.astype(float), np.inf)[places]
    return needed


def likely_seeds(differences: pd.DataFrame) -> pd.DataFrame:
    """The range of seeds in all that would separate each difference from zero with a power of `POWER`.

    The true effect is uncertain. Its range is normal around Hedges' g, which has no bias for few seeds (Hedges and
    Olkin, 1985, chapter 5), and contains it in `RANGE` of all cases.

    Args:
        differences: as `analysis.statistics.differences.differences`.

    Returns:
        The columns `seeds_low` and `seeds_high`; NaN below `LEAST_FOR_RANGE` pairs, infinity above `MOST`.
    """
    tested = differences["effect"].notna() & (differences["pairs"] >= LEAST_FOR_RANGE)
    rows = differences[tested]
    spread = stats.norm.isf((1 - RANGE) / 2) * np.sqrt(2 / rows["pairs"] + rows["effect"] ** 2 / (2 * rows["df"]))
    per_seed = (rows["df"] / (rows["pairs"] - 1)).round(1)
    size, tests = rows["effect"].abs(), int(differences["effect"].notna().sum())
    found = pd.DataFrame(np.nan, index=differences.index, columns=["seeds_low", "seeds_high"])
    for ratio in per_seed.unique():
        same = per_seed.index[per_seed == ratio]
        limits = [size[same] + spread[same], np.maximum(size[same] - spread[same], 0.0)]
        found.loc[same] = np.column_stack([seeds_needed(e, df_per_seed=float(ratio), tests=tests) for e in limits])
    return found
