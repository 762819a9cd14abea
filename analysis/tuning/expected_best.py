"""The accuracy that tuning with fewer candidates would be expected to find, and how certain that is.

Of K candidates that were drawn at random, b would have been any b of them. Their best, in the mean over all choices of
b, is an unbiased estimate of the expected best of b draws (Tang et al., 2020): a U-statistic. To draw b of the K with
replacement, as Dodge et al. (2019) do, is biased: some would be drawn twice, so it finds less than b candidates do.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Values = NDArray[np.float64]

RESAMPLES = 2000
"""Resamples of the candidates behind an interval."""

LEVEL = 0.95
"""The confidence of an interval."""

_SEED = 0
"""The same scores always get the same interval."""


def expected_best(scores: Values) -> Values:
    """The mean, over all choices of b of the scores, of the highest: for b = 1, 2, ... up to all of them.

    Args:
        scores: those of the candidates along the last axis.

    Returns:
        An array of the same shape, with b along the last axis.
    """
    found: Values = np.sort(scores, axis=-1) @ _weights(scores.shape[-1])
    return found


@lru_cache(maxsize=16)
def _weights(count: int) -> Values:
    """How often the i-th lowest score is the highest of b: a row for each i, a column for each b."""
    return np.array(
        [
            [math.comb(lower, size - 1) / math.comb(count, size) for size in range(1, count + 1)]
            for lower in range(count)
        ]
    )


def resampled_best(scores: Values) -> Values:
    """The expected best of candidates drawn anew from these, with replacement (bootstrap).

    Args:
        scores: a row for each template, a column for each candidate. All templates have the same candidates, so each
            resample has the same ones for all of them: their differences are paired.

    Returns:
        An array of resamples, templates, and b.
    """
    count = scores.shape[1]
    draws = np.random.default_rng(_SEED).integers(count, size=(RESAMPLES, count))
    return expected_best(scores[:, draws].swapaxes(0, 1))


def reach(resampled: Values) -> Values:
    """How far 95 % intervals reach to each side of an estimate, by its spread over the resamples (the first axis).

    The spread of a mean over resamples of K is too small by (K - 1) / K, and is itself estimated: hence Student's t.
    Percentiles of the resamples hold the truth far less often, as few resamples have a better best than the sample.
    """
    count = resampled.shape[-1]
    spread: Values = resampled.std(axis=0) * math.sqrt(count / (count - 1))
    return spread * float(stdtrit(count - 1, (1 + LEVEL) / 2))
