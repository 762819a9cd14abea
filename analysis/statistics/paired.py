"""The simplest comparison: a paired t test per cell, with nothing assumed about the errors of other cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.keys import CELL
from analysis.statistics.accuracies import Accuracies
from analysis.statistics.arrays import Flags, Values
from analysis.statistics.differences import partnered
from analysis.statistics.simultaneous import CONFIDENCE


def paired_tests(data: Accuracies) -> pd.DataFrame:
    """Each treatment minus the reference, tested by the differences of its own seeds alone.

    Returns:
        One row per cell that has a partner. Besides the columns of a cell: `pairs`, `difference` (mean, points), `std`
        of the differences (ddof 1), `low` and `high` (95 % limits of this difference alone), `p` (paired t test) and
        `p_holm` (corrected for all rows; Holm, 1979). Without a test (fewer than two pairs, no spread, or partners
        that were not trained alike), these are NaN.
    """
    block, treatment = np.nonzero(partnered(data))
    paired = data.values[block, treatment] - data.values[block, 0]
    frame = data.keys.iloc[block].reset_index(drop=True)
    frame = frame.assign(**{data.axis: np.asarray(data.treatments, dtype=object)[treatment]}, **_of_pairs(paired))
    frame.loc[~data.alike[block, treatment], ["low", "high", "p"]] = np.nan
    tested = frame["p"].notna()
    frame["p_holm"] = np.nan
    if tested.any():
        frame.loc[tested, "p_holm"] = holm(frame.loc[tested, "p"].to_numpy())
    columns = [*CELL, "pairs", "difference", "std", "low", "high", "p", "p_holm"]
    return frame.sort_values(CELL, ignore_index=True)[columns]


def holm(p: Values) -> Values:
    """P-values corrected for all of them together (Holm, 1979).

    That of statsmodels collects garbage at each call, which takes a quarter of a second where many tables are alive.
    """
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return corrected


def _of_pairs(paired: Values) -> dict[str, Values]:
    """The columns computed from paired differences (shape cells, seeds; NaN if a seed lacks a partner)."""
    pairs = (~np.isnan(paired)).sum(axis=1)
    some = np.ma.masked_invalid(paired)
    difference = some.mean(axis=1).filled(np.nan)
    spread = np.where(pairs > 1, np.ma.filled(some.std(axis=1, ddof=1), np.nan), np.nan)
    error = np.where(has_spread(spread), spread / np.sqrt(np.maximum(pairs, 1)), np.nan)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, np.maximum(pairs - 1, 1)) * error
    p = 2 * stats.t.sf(np.abs(difference / error), np.maximum(pairs - 1, 1))
    return {
        "pairs": pairs,
        "difference": difference,
        "std": spread,
        "low": difference - reach,
        "high": difference + reach,
        "p": p,
    }


def has_spread(std: Values) -> Flags:
    """Whether a standard deviation is more than a rounding error. Small test sets make equal differences likely."""
    found: Flags = std > 1e-9
    return found
