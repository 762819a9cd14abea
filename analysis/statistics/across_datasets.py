"""What the data sets of a study say about others like them: a random-effects analysis, one level above the seeds.

The models of a data set are averaged first, because they share its images. The differences on the data sets are then
taken as a sample: their true values are normal, with a mean and a spread of their own (DerSimonian and Laird, 1986; by
the iteration of Paule and Mandel, 1982). The interval of the mean uses the spread that the data sets show (Hartung and
Knapp, 2001), and at least the one that their errors alone make likely. A few data sets say little about others, and the
intervals show it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from analysis.keys import OVER_DATASETS
from analysis.statistics.accuracies import Accuracies
from analysis.statistics.arrays import Flags, Values
from analysis.statistics.differences import Question, block_errors, contrasts_to
from analysis.statistics.simultaneous import CONFIDENCE, averaged
from analysis.statistics.verdicts import Verdict, verdicts

LEAST_DATASETS = 3
"""Data sets from which their spread can be estimated at all."""

COLUMNS = (
    *OVER_DATASETS,
    *("template", "datasets", "difference", "low", "high", "spread", "new_low", "new_high", "verdict"),
)


def differences_across_datasets(data: Accuracies, question: Question | None = None) -> pd.DataFrame:
    """Each template minus the reference for data sets like those of the study.

    Returns:
        One row per run, variant and template: `datasets` (number of data sets on which every model has a tested
        difference), `difference` (mean, points), `low` and `high` (its 95 % limits, simultaneous for all rows by
        Bonferroni's correction), `spread` (standard deviation of the true difference between data sets), `new_low` and
        `new_high` (95 % limits for the true difference on another such data set, for this row alone) and `verdict` (a
        `Verdict` on the mean). With fewer than `LEAST_DATASETS` data sets, the limits are NaN.
    """
    asked = question or Question()
    errors = block_errors(data)
    groups = data.keys.groupby([*OVER_DATASETS, "dataset"], sort=True)
    keys = groups.size().index.to_frame(index=False)
    number_of = groups.ngroup().to_numpy()
    means = averaged(contrasts_to(data, errors.moderated), number_of, most_df=errors.total_df)
    found = []
    for key, of_key in keys.groupby(OVER_DATASETS, sort=True):
        here = keys.index.isin(of_key.index)
        blocks: Flags = pd.Index(number_of).isin(of_key.index)
        planned = np.logical_or.reduce(data.planned[blocks], axis=0)
        for number in np.flatnonzero(planned[1:]) + 1:
            template = data.treatments[number]
            at = here & means.tested[:, number]
            row = dict(zip(OVER_DATASETS, key, strict=True)) | {"template": template, "datasets": int(at.sum())}
            found.append(row | _combined(means.difference[at, number], means.standard_error[at, number] ** 2))
    numbers = ["difference", "error", "spread", "new_low", "new_high"]
    frame = pd.DataFrame(found, columns=[*OVER_DATASETS, "template", "datasets", *numbers])
    frame[numbers] = frame[numbers].astype(float)
    return _with_intervals(frame, asked)[list(COLUMNS)]


def _combined(differences: Values, variances: Values) -> dict[str, float]:
    """Mean, its standard error, and the spread between data sets."""
    datasets = len(differences)
    if datasets < LEAST_DATASETS:
        return {"difference": float(differences.mean()) if datasets else np.nan}
    combined = combine_effects(differences, variances, method_re="iterated", use_t=True)
    spread = np.sqrt(max(float(combined.tau2), 0.0))
    error = max(float(combined.sd_eff_w_re_hksj), float(combined.sd_eff_w_re))
    mean = float(combined.mean_effect_re)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, datasets - 2) * np.hypot(spread, error)
    return {"difference": mean, "error": error, "spread": spread, "new_low": mean - reach, "new_high": mean + reach}


def _with_intervals(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Add the simultaneous limits and the verdict."""
    tested = frame["error"].notna()
    sides = 1 if question.one_sided else 2
    level = (1 - CONFIDENCE) / max(int(tested.sum()), 1) / sides
    reach = stats.t.isf(level, np.maximum(frame["datasets"] - 1, 1)) * frame["error"]
    low = frame["difference"] - reach
    high = low + np.inf if question.one_sided else frame["difference"] + reach
    verdict = verdicts(low.to_numpy(), high.to_numpy(), question.margin)
    return frame.assign(low=low, high=high, verdict=np.where(tested, verdict, Verdict.UNTESTED.value))
