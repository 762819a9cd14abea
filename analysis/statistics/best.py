"""Which templates may be the best: multiple comparisons with the best (Hsu, 1984; Hsu, 1996, chapter 4).

A winner that was chosen by the results that are tested looks better than it is. These intervals allow for that: with
95 % confidence, for all models of a table at once, the template that is truly the best is among the candidates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.statistics.accuracies import Accuracies
from analysis.statistics.differences import block_errors, contrasts_to, model_groups
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
    against = [
        averaged(contrasts_to(data, errors.moderated, reference), group, most_df=most_df)
        for reference in range(len(data.treatments))
    ]
    tested = against[0].tested.any(axis=1)
    level = -np.expm1(np.log(confidence) / max(int(tested.sum()), 1))
    names = np.asarray(data.treatments, dtype=object)
    found = []
    for number in np.flatnonzero(tested):
        rows = _in_group(against, int(number), level)
        rows.insert(0, data.axis, names[rows.index])
        found.append(keys.iloc[[int(number)]].merge(rows, how="cross"))
    if not found:
        nothing = {"ahead": 0.0, "low": 0.0, "high": 0.0, "candidate": False}
        return keys.iloc[:0].assign(**{data.axis: ""}, **nothing)
    return pd.concat(found, ignore_index=True)


def _in_group(against: list[Contrasts], group: int, level: float) -> pd.DataFrame:
    """The comparisons of one group, by the number of the treatment.

    Args:
        against: for each treatment, all treatments minus that one.
        group: the number of the group.
        level: the chance that any interval of the group is wrong.
    """
    chosen = np.flatnonzero(against[0].tested[group])
    chosen = np.array([0, *chosen])
    ahead = -np.stack([against[number].difference[group, chosen] for number in chosen])
    error = np.stack([against[number].standard_error[group, chosen] for number in chosen])
    distribution = ManyToOne(
        treatments=len(chosen) - 1,
        df=min(float(against[number].df[group]) for number in chosen),
        correlation=min(float(against[number].correlation[group]) for number in chosen),
        one_sided=True,
    )
    reach = distribution.critical_value(level) * error
    others = np.stack([against[number].tested[group, chosen] for number in chosen])
    high = np.where(others, ahead + reach, np.inf).min(axis=1)
    candidate = high > 0
    low = np.where(others & candidate, ahead - reach, np.inf).min(axis=1)
    return pd.DataFrame(
        {
            "ahead": np.where(others, ahead, np.inf).min(axis=1),
            "low": np.minimum(low, 0.0),
            "high": np.maximum(high, 0.0),
            "candidate": candidate,
        },
        index=chosen,
    )
