"""Differences in accuracy to a reference: simultaneous intervals, tests and verdicts for a whole table at once.

Two cells trained with the same seed saw the same shuffling and augmentation, so differences are taken seed by seed. The
error comes from all templates and seeds of a block, and from the other blocks as far as their variances agree
(`analysis.statistics.errors`). All intervals of a table hold together with 95 % confidence
(`analysis.statistics.simultaneous`).
The intervals show how much other seeds would change the result. They do not cover other test images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaln

from analysis.keys import BLOCK, CELL
from analysis.statistics.accuracies import Accuracies, accuracies
from analysis.statistics.arrays import Flags, Numbers, Values
from analysis.statistics.errors import Errors, Prior, moderated, two_way_errors
from analysis.statistics.simultaneous import Contrasts, averaged, simultaneous
from analysis.statistics.verdicts import Verdict, verdicts
from fdt_core.results.keys import BASE
from fdt_core.results.looks import MARGIN

LEAST_PAIRS = 2
"""Seeds in common from which a difference is tested."""

ALIKE = ("recipe", "dataset_digest")
"""Columns of outcomes in which two templates must agree, so that only the template can explain their difference."""

MEAN = "mean of all data sets"
"""What stands for the data set in differences of means over data sets."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of differences.

    Args:
        margin: points of accuracy that may be lost, at least 0.
        one_sided: whether only losses matter. Intervals then have no upper limit, and a higher lower limit.
    """

    margin: float = MARGIN
    one_sided: bool = False


def to_base(outcomes: pd.DataFrame) -> Accuracies:
    """The accuracies of each run, model, width, variant and data set, whose templates are compared with base."""
    return accuracies(outcomes, axis="template", reference=BASE, alike=ALIKE)


def differences_between_runs(outcomes: pd.DataFrame, reference: str, question: Question | None = None) -> pd.DataFrame:
    """Every cell minus the same cell of the run `reference`. Columns: see `differences`."""
    return differences(accuracies(outcomes, axis="run", reference=reference, alike=("dataset_digest",)), question)


def differences(data: Accuracies, question: Question | None = None) -> pd.DataFrame:
    """Each treatment minus the reference, block by block. Only seeds that both have count.

    Returns:
        One row per cell that has a partner. Besides the columns of a cell: `pairs` (seeds in common), `difference`
        (mean, points), `error` (standard deviation of a training beyond what its seed does to all templates alike,
        points) and `df` (its degrees of freedom), `own_error` and `own_df` (the same from the block alone), `prior_df`
        (how many degrees of freedom the other blocks are worth: see `errors.Prior`), `look` (NaN; in runs with adaptive
        seeds, the number of the last look, or 0: see `sequential.decided`), `low` and `high` (95 % limits, simultaneous
        for all rows), `p` (of no difference, corrected for all rows), `effect` (the difference over `error`, corrected
        for few degrees of freedom: Hedges, 1981), `unlike` (whether the two were not trained alike) and `verdict` (a
        `Verdict`).
        A difference of fewer than `LEAST_PAIRS` pairs, of unlike partners, or in a block whose seeds all agree, has no
        interval: its verdict is `untested`.
    """
    errors = block_errors(data)
    contrasts = contrasts_to(data, errors.moderated)
    block, treatment = np.nonzero(partnered(data))
    of_block = {
        "error": np.sqrt(errors.moderated.variance),
        "df": errors.moderated.df,
        "own_error": np.sqrt(errors.alone.variance),
        "own_df": errors.alone.df,
        "prior_df": np.full(len(errors.alone.df), errors.prior.df),
    }
    frame = _frame(data, data.keys, contrasts, (block, treatment), question or Question())
    frame = frame.assign(
        pairs=_both(data).sum(axis=2)[block, treatment],
        unlike=~data.alike[block, treatment],
        look=np.nan,
        **{name: values[block] for name, values in of_block.items()},
    )
    frame["effect"] = hedges_factor(frame["df"]) * frame["difference"] / frame["error"]
    frame.loc[frame["verdict"] == Verdict.UNTESTED, ["effect", "error", "df"]] = np.nan
    return frame.sort_values(CELL, ignore_index=True)[[*CELL, *_COLUMNS]]


_COLUMNS = (
    *("pairs", "difference", "low", "high", "p", "verdict", "effect"),
    *("error", "df", "own_error", "own_df", "prior_df", "unlike", "look"),
)


def mean_differences(data: Accuracies, question: Question | None = None) -> pd.DataFrame:
    """Each treatment minus the reference in the mean over data sets, all of the same weight.

    Returns:
        One row per run, model, width, variant and template, with the columns of `differences` that a mean has;
        `dataset` is `MEAN`, and `pairs` is that of the data set with the fewest. A treatment is tested if it can be
        tested on every data set.
    """
    errors = block_errors(data)
    group, keys = model_groups(data)
    contrasts = averaged(contrasts_to(data, errors.moderated), group, most_df=errors.total_df)
    planned = np.zeros(contrasts.difference.shape, dtype=np.bool_)
    pairs = np.full(planned.shape, data.values.shape[2])
    alike = np.ones(planned.shape, dtype=np.bool_)
    np.logical_or.at(planned, group, partnered(data))
    np.minimum.at(pairs, group, _both(data).sum(axis=2))
    np.logical_and.at(alike, group, data.alike)
    block, treatment = np.nonzero(planned)
    frame = _frame(data, keys.assign(dataset=MEAN), contrasts, (block, treatment), question or Question())
    frame = frame.assign(pairs=pairs[block, treatment], unlike=~alike[block, treatment], look=np.nan)
    names = [name for name in _COLUMNS if name in frame]
    return frame.sort_values(CELL, ignore_index=True)[[*CELL, *names]]


def model_groups(data: Accuracies) -> tuple[Numbers, pd.DataFrame]:
    """The number of each block's run, model, width and variant, and these in order."""
    groups = data.keys.groupby(BLOCK, sort=True)
    return groups.ngroup().to_numpy(), groups.size().index.to_frame(index=False)


@dataclass(frozen=True, kw_only=True)
class BlockErrors:
    """The error of each block, `alone` and `moderated` by the `prior`, which all blocks have in common."""

    alone: Errors
    moderated: Errors
    prior: Prior

    @property
    def total_df(self) -> float:
        """The degrees of freedom of all blocks with an error: no estimate that combines them can have more."""
        return float(self.alone.df[self.alone.known].sum())


def block_errors(data: Accuracies) -> BlockErrors:
    """The errors of the blocks, from all treatments that were trained like the reference."""
    alone = two_way_errors(data.comparable)
    shrunk, prior = moderated(alone)
    return BlockErrors(alone=alone, moderated=shrunk, prior=prior)


def contrasts_to(data: Accuracies, errors: Errors) -> Contrasts:
    """Every treatment of every block against the reference."""
    both = _both(data)
    pairs = both.sum(axis=2)
    tested = data.alike & (pairs >= LEAST_PAIRS) & errors.known[:, np.newaxis]
    tested[:, 0] = False
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.where(both, data.values - data.values[:, :1], 0.0).sum(axis=2) / pairs
        standard_error = np.sqrt(2 * errors.variance[:, np.newaxis] / pairs)
    return Contrasts(
        difference=difference,
        standard_error=standard_error,
        tested=tested,
        df=errors.df,
        correlation=least_correlation(pairs, both[:, 0].sum(axis=1), tested),
    )


def _both(data: Accuracies) -> Flags:
    """The seeds that both a treatment and the reference have, of shape blocks, treatments, seeds."""
    both: Flags = ~np.isnan(data.values) & ~np.isnan(data.values[:, :1])
    return both


def least_correlation(pairs: Numbers, seeds: Numbers, tested: Flags) -> Values:
    """A lower bound on the correlation between any two tested differences to a reference: 1/2 if no seed is missing.

    Two differences of n pairs each, out of the s seeds of the reference, share at least 2n - s of these. Their
    correlation is the shared part of the pairs, halved.

    Args:
        pairs: seeds in common of a treatment and the reference, of shape blocks, treatments.
        seeds: those of the reference, by block.
        tested: of shape blocks, treatments.
    """
    fewest = np.where(tested, pairs, seeds[:, np.newaxis]).min(axis=1)
    bound: Values = np.maximum(1 - seeds / (2 * np.maximum(fewest, 1)), 0.0)
    return bound


def partnered(data: Accuracies) -> Flags:
    """The planned treatments of blocks in which the reference was planned too, without the reference itself."""
    partnered = data.planned & data.planned[:, :1]
    partnered[:, 0] = False
    return partnered


def _frame(
    data: Accuracies,
    keys: pd.DataFrame,
    contrasts: Contrasts,
    at: tuple[Numbers, Numbers],
    question: Question,
) -> pd.DataFrame:
    """Difference, interval, p and verdict of the contrasts `at` these blocks and treatments."""
    intervals = simultaneous(contrasts, one_sided=question.one_sided)
    frame = keys.iloc[at[0]].reset_index(drop=True)
    low, high = intervals.low[at], intervals.high[at]
    return frame.assign(
        **{data.axis: np.asarray(data.treatments, dtype=object)[at[1]]},
        difference=contrasts.difference[at],
        low=low,
        high=high,
        p=intervals.p[at],
        verdict=verdicts(low, high, question.margin),
    )


def hedges_factor(df: pd.Series[float]) -> Values:
    """The factor that takes the bias from a difference over an estimated standard deviation (Hedges, 1981)."""
    many = df.where(df > 1)  # with one, no finite factor takes the bias away
    factor: Values = np.exp(gammaln(many / 2) - gammaln((many - 1) / 2) - 0.5 * np.log(many / 2))
    return factor
