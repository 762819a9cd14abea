"""Which templates may be the best: multiple comparisons with the best (Hsu, 1984; Hsu, 1996, chapter 4).

A winner that was chosen by the results that are tested looks better than it is. These intervals allow for that: with
95 % confidence, for all models of a table at once, the best of the tested templates is among the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.statistics.accuracies import Accuracies
from analysis.statistics.arrays import Flags, Numbers, Values
from analysis.statistics.differences import (
    LEAST_PAIRS,
    block_errors,
    least_correlation,
    model_groups,
)
from analysis.statistics.errors import Errors
from analysis.statistics.many_to_one import ManyToOne
from analysis.statistics.simultaneous import CONFIDENCE, Contrasts, averaged, two_digits


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Treatments minus each other in the mean over the data sets of one run, model, width and variant.

    Args:
        treatments: numbers of the k treatments.
        difference: points, of shape k, k: the first minus the second, on the seeds that both have.
        comparable: of the same shape: whether both have a seed in common and were trained alike, on every data set.
        tested: whether each of these differences has a standard error, too.
        standard_error: points.
        df: degrees of freedom of all tested differences, rounded down to two digits.
        correlation: a lower bound on the correlation of tested differences to the same treatment.
    """

    treatments: Numbers
    difference: Values
    comparable: Flags
    tested: Flags
    standard_error: Values
    df: float
    correlation: float

    def among(self, reference: int, partners: Flags) -> Flags:
        """The treatments (by their place) to compare: the reference and its partners, a row of a k, k array."""
        chosen: Flags = partners[reference].copy()
        chosen[reference] = chosen.any()
        return chosen


def compared_with_the_best(data: Accuracies, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Every treatment against the best of the others, in the mean over data sets: by run, model, width and variant.

    Those are compared that can be compared with the reference of `data`; if none can, with the treatment that has the
    most partners.

    Returns:
        One row per run, model, width, variant and treatment: `ahead` (points above the best of the others; negative if
        it is not the highest), `low` and `high` (simultaneous limits of that; `high` is at least 0, `low` at most 0),
        and `candidate` (whether it may be the best). Untested treatments have no limits, and are no candidates.
    """
    errors = block_errors(data)
    group, keys = model_groups(data)
    found = {}
    for number in range(len(keys)):
        pairs = _pairs(data, errors.moderated, np.flatnonzero(group == number), errors.total_df)
        if pairs.comparable.any():
            found[number] = pairs
    level = -np.expm1(np.log(confidence) / max(sum(pairs.tested.any() for pairs in found.values()), 1))
    names = np.asarray(data.treatments, dtype=object)
    frames = []
    for number, pairs in found.items():
        rows = _against_the_best(pairs, level)
        rows.insert(0, data.axis, names[pairs.treatments[rows.index]])
        frames.append(keys.iloc[[number]].merge(rows, how="cross"))
    if not frames:
        nothing = {"ahead": 0.0, "low": 0.0, "high": 0.0, "candidate": False}
        return keys.iloc[:0].assign(**{data.axis: ""}, **nothing)
    return pd.concat(frames, ignore_index=True)


def _pairs(data: Accuracies, errors: Errors, blocks: Numbers, most_df: float) -> Pairs:
    """All pairs of the treatments that are planned in all of these blocks."""
    treatments = np.flatnonzero(data.planned[blocks].all(axis=0))
    values, kinds = data.values[np.ix_(blocks, treatments)], data.kinds[np.ix_(blocks, treatments)]
    present = ~np.isnan(values)
    shared = _shared(present)
    like = sum(_shared(present & (kinds == kind)) for kind in np.unique(kinds[present])) == shared
    itself = np.eye(len(treatments), dtype=np.bool_)
    comparable = (shared > 0) & like & ~itself
    tested = comparable & (shared >= LEAST_PAIRS) & errors.known[blocks][:, np.newaxis, np.newaxis]
    # Less the mean of its block, a sum keeps its digits.
    centre = np.divide(np.nansum(values, axis=(1, 2)), present.sum(axis=(1, 2)), where=present.any(axis=(1, 2)),
                       out=np.zeros(len(blocks)))  # fmt: skip
    sums = np.where(present, values - centre[:, np.newaxis, np.newaxis], 0.0) @ present.transpose(0, 2, 1).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (sums - sums.transpose(0, 2, 1)) / shared
        standard_error = np.sqrt(2 * errors.variance[blocks][:, np.newaxis, np.newaxis] / shared)
    correlations = [
        least_correlation(shared[:, :, each], shared[:, each, each], tested[:, :, each])
        for each in range(len(treatments))
    ]
    shape = len(blocks), len(treatments) ** 2
    contrasts = Contrasts(
        difference=difference.reshape(shape),
        standard_error=standard_error.reshape(shape),
        tested=tested.reshape(shape),
        df=errors.df[blocks],
        correlation=np.min(correlations, axis=0, initial=0.5),
    )
    mean = averaged(contrasts, np.zeros(len(blocks), dtype=np.int64), most_df=most_df)
    square = len(treatments), len(treatments)
    return Pairs(
        treatments=treatments,
        difference=mean.difference.reshape(square),
        comparable=np.all(comparable, axis=0),
        tested=mean.tested.reshape(square),
        standard_error=mean.standard_error.reshape(square),
        df=float(two_digits(mean.df)[0]),
        correlation=float(two_digits(mean.correlation)[0]),
    )


def _shared(present: Flags) -> Numbers:
    """The number of seeds that each pair of treatments has in common, of shape blocks, treatments, treatments."""
    counts = present.astype(float)
    shared: Numbers = (counts @ counts.transpose(0, 2, 1)).astype(np.int64)
    return shared


def _against_the_best(pairs: Pairs, level: float) -> pd.DataFrame:
    """The rows of one run, model, width and variant by treatment; `level`: the chance that any of all is wrong."""
    partners = pairs.comparable.sum(axis=1)
    reference = 0 if pairs.treatments[0] == 0 and partners[0] else int(partners.argmax())
    chosen = pairs.among(reference, pairs.comparable)
    ahead = np.where(pairs.comparable & chosen, pairs.difference, np.inf).min(axis=1)
    low, high = np.full(len(ahead), np.nan), np.full(len(ahead), np.nan)
    in_test = pairs.among(reference, pairs.tested)
    candidate = np.zeros(len(ahead), dtype=np.bool_)
    if in_test.any():
        distribution = ManyToOne(
            treatments=int(in_test.sum()) - 1, df=pairs.df, correlation=pairs.correlation, one_sided=True
        )
        reach = distribution.critical_value(level) * pairs.standard_error
        others = pairs.tested & in_test
        upper = np.where(others, pairs.difference + reach, np.inf).min(axis=1)
        candidate = in_test & (upper > 0)
        lower = np.where(others & candidate, pairs.difference - reach, np.inf).min(axis=1)
        low, high = np.where(in_test, np.minimum(lower, 0.0), np.nan), np.where(in_test, np.maximum(upper, 0.0), np.nan)
    frame = pd.DataFrame({"ahead": ahead, "low": low, "high": high, "candidate": candidate})
    return frame[chosen]
