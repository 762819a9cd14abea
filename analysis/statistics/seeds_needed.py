"""The number of seeds that a paired t test needs to find a difference of a given size."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from statsmodels.stats.power import TTestPower

POWER = 0.8
ALPHA = 0.05
MOST = 100
"""The largest number of seeds computed; more is infinity."""


_REACH = 24.0
"""Largest non-centrality at which the power is computed; if it is not enough, the seeds are too few."""


@cache
def detectable_effect(seeds: int, power: float = POWER, alpha: float = ALPHA) -> float:
    """The smallest mean difference, in standard deviations of the paired differences, found with this power.

    Infinity if this number of seeds finds none at this level.
    """
    test = TTestPower()

    def lacking(effect: float) -> float:
        # Only the tail on the true side: the other adds nothing at such effects, and its formula is not stable there.
        return float(test.power(effect, seeds, alpha / 2, alternative="larger")) - power

    largest = _REACH / seeds**0.5
    return float(brentq(lacking, 0.0, largest, xtol=1e-4)) if lacking(largest) > 0 else math.inf


def seeds_needed(effect: ArrayLike, power: float = POWER, alpha: float = ALPHA) -> NDArray[np.float64]:
    """Total seeds (2 to `MOST`, otherwise infinity) that separate two templates if the true effect is `effect`.

    Args:
        effect: mean of the paired differences over their standard deviation; its sign does not matter.
        power: the required chance that the test finds the difference.
        alpha: level of the two-sided paired t test; for one of m tests, divide by m (Bonferroni).
    """
    counts = np.arange(2, MOST + 1)
    rising = np.array([-detectable_effect(int(seeds), power, alpha) for seeds in counts])
    places = np.searchsorted(rising, -np.abs(np.asarray(effect, dtype=float)))
    needed: NDArray[np.float64] = np.append(counts.astype(float), np.inf)[places]
    return needed
