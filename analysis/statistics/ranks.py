"""Ranks of the templates over data sets, with the critical difference of mean ranks (Demšar, 2006)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from analysis.keys import BLOCK
from analysis.statistics.differences import CONFIDENCE

ENOUGH = 5
"""Minimum number of blocks (a model on a data set) for the tests: with fewer, their approximations are poor."""


@dataclass(frozen=True, kw_only=True)
class RankAnalysis:
    """Mean ranks of the templates; rank 1 is the highest accuracy.

    Args:
        mean_ranks: by template, best first.
        blocks: number of blocks, each a model on a data set, in which every template has a result.
        left_out: number of blocks that lack a template, or whose templates were trained by different recipes.
        p: of Friedman's test that all templates rank equally; None if there are too few blocks or templates, or if all
            have the same mean rank.
        critical_difference: mean ranks further apart than this differ (Nemenyi, 1963); None as above.
    """

    mean_ranks: pd.Series[float]
    blocks: int
    left_out: int
    p: float | None = None
    critical_difference: float | None = None


def rank_analysis(cells: pd.DataFrame) -> RankAnalysis:
    """Rank the templates of `cells` (as `Study.cells`) by mean accuracy within each run, model, width and data set.

    Blocks whose templates were trained by different recipes are left out, because they would rank recipes too.
    """
    means = cells.pivot(index=[*BLOCK, "dataset"], columns="template", values="mean")
    alike = cells.groupby([*BLOCK, "dataset"])["recipes"].nunique() == 1
    complete = means[alike].dropna()
    ranks = complete.rank(axis=1, ascending=False).mean().dropna().sort_values(kind="stable")
    blocks, templates = complete.shape
    analysis = RankAnalysis(mean_ranks=ranks, blocks=blocks, left_out=len(means) - blocks)
    if blocks < ENOUGH or templates < 3 or ranks.nunique() < 2:
        return analysis
    p = float(stats.friedmanchisquare(*complete.to_numpy().T).pvalue)
    return replace(analysis, p=p, critical_difference=critical_difference(templates, blocks))


def critical_difference(templates: int, blocks: int, confidence: float = CONFIDENCE) -> float:
    """How far apart two mean ranks must be to differ, over all pairs at once (Nemenyi, 1963; Demšar, 2006, eq. 6)."""
    spread = float(stats.studentized_range.ppf(confidence, templates, np.inf)) / math.sqrt(2)
    return spread * math.sqrt(templates * (templates + 1) / (6 * blocks))
