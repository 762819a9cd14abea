"""Which templates may be the best: multiple comparisons with the best (Hsu, 1984; Hsu, 1996, chapter 4).

A winner that was chosen by the results that are tested looks better than it is. These intervals allow for that: with
95 % confidence, for all models of a table at once, the template that is truly the best is among the candidates.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.statistics.accuracies import Accuracies
from analysis.statistics.arrays import Numbers
from analysis.statistics.differences import (
    LEAST_PAIRS,
    block_errors,
    contrasts_to,
    least_correlation,
    model_groups,
)
from analysis.statistics.errors import Errors
from analysis.statistics.many_to_one import ManyToOne
from analysis.statistics.simultaneous import CONFIDENCE, Contrasts, averaged


def compared_with_the_best(data: Accuracies, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Every treatment against the best of the others, in the mean over the data sets of a run, model and width.

    Treatments that cannot be compared with the reference of `data` on every data set are left out.

    Returns:
        One row per run, model, width and treatment: `ahead` (points above the best of the others; negative if it is
        not the highest), `low` and `high` (simultaneous limits of that; `high` is at least 0, `low` at most 0), and
        `candidate` (whether it may be the best).
    """
    errors = block_errors(data)
    group, keys = model_groups(data)
    most_df = float(errors.alone.df.sum())
    tested = averaged(contrasts_to(data, errors.moderated), group, most_df=most_df).tested
    level = -np.expm1(np.log(confidence) / max(int(tested.any(axis=1).sum()), 1))
    names = np.asarray(data.treatments, dtype=object)
    found = []
    for number in np.flatnonzero(tested.any(axis=1)):
        chosen = np.array([0, *np.flatnonzero(tested[number])])
        rows = _of_group(_pairwise(data, errors.moderated, np.flatnonzero(group == number), chosen), most_df, level)
        rows.insert(0, data.axis, names[chosen])
        found.append(keys.iloc[[int(number)]].merge(rows, how="cross"))
    if not found:
        nothing = {"ahead": 0.0, "low": 0.0, "high": 0.0, "candidate": False}
        return keys.iloc[:0].assign(**{data.axis: ""}, **nothing)
    return pd.concat(found, ignore_index=True)


def _pairwise(data: Accuracies, errors: Errors, blocks: Numbers, chosen: Numbers) -> Contrasts:
    """Each of the k chosen treatments minus each other one, of shape blocks, k * k."""
    values, alike = data.values[np.ix_(blocks, chosen)], data.alike[np.ix_(blocks, chosen)]
    present = (~np.isnan(values)).astype(float)
    # Less their mean, the sums below keep their digits.
    centred = np.where(present > 0, values - np.nanmean(values, axis=(1, 2), keepdims=True), 0.0)
    others = present.transpose(0, 2, 1)
    pairs, sums = (present @ others).astype(np.int64), centred @ others
    variance, known = errors.variance[blocks, np.newaxis, np.newaxis], errors.known[blocks, np.newaxis, np.newaxis]
    tested = (pairs >= LEAST_PAIRS) & known & alike[:, :, np.newaxis] & alike[:, np.newaxis]
    tested[:, np.arange(len(chosen)), np.arange(len(chosen))] = False
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (sums - sums.transpose(0, 2, 1)) / pairs
        standard_error = np.sqrt(2 * variance / pairs)
    shape = len(blocks), -1
    correlations = [
        least_correlation(pairs[:, :, each], pairs[:, each, each], tested[:, :, each]) for each in range(len(chosen))
    ]
    return Contrasts(
        difference=difference.reshape(shape),
        standard_error=standard_error.reshape(shape),
        tested=tested.reshape(shape),
        df=errors.df[blocks],
        correlation=np.min(correlations, axis=0),
    )


def _of_group(contrasts: Contrasts, most_df: float, level: float) -> pd.DataFrame:
    """The comparisons of one run, model and width, a row per treatment.

    Args:
        contrasts: as `_pairwise`.
        most_df: the degrees of freedom of all blocks together.
        level: the chance that any interval of the group is wrong.
    """
    count = math.isqrt(contrasts.difference.shape[1])
    mean = averaged(contrasts, np.zeros(len(contrasts.df), dtype=np.int64), most_df=most_df)
    ahead, error, others = (each.reshape(count, count) for each in (mean.difference, mean.standard_error, mean.tested))
    distribution = ManyToOne(
        treatments=count - 1, df=float(mean.df[0]), correlation=float(mean.correlation[0]), one_sided=True
    )
    reach = distribution.critical_value(level) * error
    high = np.where(others, ahead + reach, np.inf).min(axis=1)
    candidate = high > 0
    low = np.where(others & candidate, ahead - reach, np.inf).min(axis=1)
    return pd.DataFrame(
        {
            "ahead": np.where(others, ahead, np.inf).min(axis=1),
            "low": np.minimum(low, 0.0),
            "high": np.maximum(high, 0.0),
            "candidate": candidate,
        }
    )
