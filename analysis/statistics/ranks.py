"""Ranks of the templates over data sets, with the critical difference of mean ranks (Demšar, 2006)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from analysis.keys import BLOCK
from analysis.statistics.simultaneous import CONFIDENCE

LEAST_DATASETS = 3
"""Data sets from which ranks are tested."""

_PERMUTATIONS = 9999
"""Random permutations for the p-value of Friedman's test; if there are no more than these, all are used."""

_FEW_PERMUTATIONS = 999
_ELEMENTS = 4_000_000
"""Ranks drawn for a test: many templates get fewer permutations, which cost seconds otherwise."""


@dataclass(frozen=True, kw_only=True)
class RankAnalysis:
    """Mean ranks of the templates; rank 1 is the highest accuracy.

    Args:
        mean_ranks: by template, best first.
        datasets: number of data sets on which the templates are ranked.
        left_out: number of blocks (a model on a data set) that lack a template, or whose templates were trained by
            different recipes.
        p: of Friedman's test that all templates rank equally; None if there are too few data sets or templates, or if
            all have the same mean rank.
        critical_difference: mean ranks further apart than this differ (Nemenyi, 1963); None unless Friedman's test
            finds that not all rank equally.
    """

    mean_ranks: pd.Series[float]
    datasets: int
    left_out: int
    p: float | None = None
    critical_difference: float | None = None


def rank_analysis(cells: pd.DataFrame) -> RankAnalysis:
    """Rank the templates of `cells` (as `Study.cells`) by mean accuracy on each data set.

    The accuracies of the models on a data set are averaged first: two models on the same images are not independent,
    and counted as if they were, one in four studies without any effect found one. Blocks whose templates were trained
    by different recipes or on different data are left out, because they would rank recipes too.
    """
    means = cells.pivot(index=[*BLOCK, "dataset"], columns="template", values="mean")
    alike = cells.groupby([*BLOCK, "dataset"])["kinds"].nunique() == 1
    complete = means[alike].dropna()
    # Rounded: equal means of several models may differ by an error of rounding, which would rank them.
    by_dataset = complete.groupby("dataset").mean().round(9).rank(axis=1, ascending=False)
    mean_ranks = by_dataset.mean().dropna().sort_values(kind="stable")
    datasets, templates = by_dataset.shape
    analysis = RankAnalysis(mean_ranks=mean_ranks, datasets=datasets, left_out=len(means) - len(complete))
    if datasets < LEAST_DATASETS or templates < 3 or mean_ranks.nunique() < 2:
        return analysis
    p = _friedman(by_dataset.to_numpy())
    if p >= 1 - CONFIDENCE:
        return replace(analysis, p=p)
    return replace(analysis, p=p, critical_difference=critical_difference(templates, datasets))


def _friedman(ranks: np.ndarray) -> float:
    """The p-value of Friedman's test by permutation within the data sets: valid for any number of them.

    Args:
        ranks: shape data sets, templates.
    """

    def spread(*templates: np.ndarray, axis: int = -1) -> np.ndarray:
        found: np.ndarray = (np.stack([ranks.sum(axis=axis) for ranks in templates]) ** 2).sum(axis=0)
        return found

    test = stats.permutation_test(
        tuple(ranks.T),
        spread,
        permutation_type="samples",
        n_resamples=int(np.clip(_ELEMENTS // ranks.size, _FEW_PERMUTATIONS, _PERMUTATIONS)),
        alternative="greater",
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def critical_difference(templates: int, datasets: int, confidence: float = CONFIDENCE) -> float:
    """How far apart two mean ranks must be to differ, over all pairs at once (Nemenyi, 1963; Demšar, 2006, eq. 6)."""
    spread = float(stats.studentized_range.ppf(confidence, templates, np.inf)) / math.sqrt(2)
    return spread * math.sqrt(templates * (templates + 1) / (6 * datasets))
