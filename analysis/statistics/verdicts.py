"""What an interval of a difference to base shows, given the margin that a study allows."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.arrays import Values


class Verdict(StrEnum):
    """What the seeds show of a difference, by its whole interval (as in Piaggio et al., 2012, figure 1)."""

    SUPERIOR = "superior"
    """Above zero."""
    EQUIVALENT = "equivalent"
    """Within the margin on both sides."""
    NON_INFERIOR = "non-inferior"
    """Above minus the margin."""
    INFERIOR = "inferior"
    """Below minus the margin."""
    UNDECIDED = "undecided"
    """None of these."""
    UNTESTED = "untested"
    """There is no interval."""


WITHIN_MARGIN = (Verdict.SUPERIOR, Verdict.EQUIVALENT, Verdict.NON_INFERIOR)
"""The verdicts that rule out a loss of more than the margin."""


def verdicts(low: Values, high: Values, margin: float) -> NDArray[np.str_]:
    """The verdict on each interval; the first that holds, in the order of `Verdict`.

    Args:
        low: lower limits, in points; NaN for a difference without an interval.
        high: upper limits; infinite for a one-sided interval.
        margin: points that may be lost, at least 0.
    """
    inside = low > -margin
    conditions = [np.isnan(low), low > 0, inside & (high < margin), inside, high < -margin]
    chosen = [Verdict.UNTESTED, Verdict.SUPERIOR, Verdict.EQUIVALENT, Verdict.NON_INFERIOR, Verdict.INFERIOR]
    found: NDArray[np.str_] = np.select(conditions, [verdict.value for verdict in chosen], Verdict.UNDECIDED.value)
    return found


def is_separated(differences: pd.DataFrame) -> pd.Series[bool]:
    """Whether each interval of `differences` (columns `low` and `high`) excludes zero."""
    return (differences["low"] > 0) | (differences["high"] < 0)
