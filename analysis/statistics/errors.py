"""How much a seed changes an accuracy: the error of each block, and what the blocks say about each other's.

A block is a model on a data set, with an accuracy per template and seed. The accuracies of a block are taken as the sum
of an effect of the template, an effect of the seed, and an error with the same variance for all templates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from analysis.statistics.arrays import Flags, Values

_LEAST_VARIANCE = 1e-18
"""Points squared: smaller variances are rounding errors of equal accuracies."""

_FLOOR = 1e-5
"""The smallest variance, as a part of the median of all, that enters the logarithms of the moderation (as in limma)."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """The errors of several blocks.

    Args:
        variance: in points squared, by block; NaN without degrees of freedom.
        df: degrees of freedom, by block.
    """

    variance: Values
    df: Values

    @property
    def known(self) -> Flags:
        """The blocks with an error that is not zero."""
        return (self.df > 0) & (self.variance > _LEAST_VARIANCE)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What the variances of all blocks have in common: a scaled inverse chi-squared distribution (Smyth, 2004).

    Args:
        variance: the typical variance, in points squared.
        df: how many degrees of freedom it is worth in each block: infinity if the variances of the blocks differ by
            no more than chance, and 0 if they have nothing in common.
    """

    variance: float
    df: float


def two_way_errors(accuracies: Values) -> Errors:
    """The error of each block, from the residuals of the additive model of templates and seeds.

    Args:
        accuracies: shape blocks, templates, seeds; NaN where there is none.
    """
    blocks = accuracies.reshape(len(accuracies), accuracies.shape[1] * accuracies.shape[2])
    if not blocks.size:
        return Errors(variance=np.full(len(blocks), np.nan), df=np.zeros(len(blocks)))
    patterns, pattern_of = np.unique(~np.isnan(blocks), axis=0, return_inverse=True)
    variance, df = np.full(len(blocks), np.nan), np.zeros(len(blocks))
    for number, present in enumerate(patterns):
        same = np.flatnonzero(pattern_of.reshape(-1) == number)
        residual_maker, free = _residual_maker(present.reshape(accuracies.shape[1:]))
        if free:
            residuals = blocks[np.ix_(same, present)] @ residual_maker
            variance[same], df[same] = (residuals**2).sum(axis=1) / free, free
    return Errors(variance=variance, df=df)


def _residual_maker(present: Flags) -> tuple[Values, int]:
    """The matrix that turns the accuracies that are present into residuals, and the degrees of freedom of these."""
    template, seed = np.nonzero(present)
    design = np.hstack([np.eye(present.shape[0])[template], np.eye(present.shape[1])[seed]])
    fitted = design @ np.linalg.pinv(design)
    return np.eye(len(design)) - fitted, len(design) - round(float(np.trace(fitted)))


def moderated(errors: Errors) -> tuple[Errors, Prior]:
    """The errors, each shrunk towards those of the other blocks as far as their variances agree.

    The variance of a block becomes the mean of its own and the prior's, weighted by their degrees of freedom, and has
    the sum of both, at most those of all blocks together (Smyth, 2004; `squeezeVar` of limma). If the variances differ
    by no more than chance, that is the pooled variance. A block without an error of its own gets none.
    """
    known = errors.known
    prior = _prior(errors.variance[known], errors.df[known])
    if not prior.df:
        return errors, prior
    df = np.where(known, np.minimum(errors.df + prior.df, errors.df[known].sum()), errors.df)
    weight = 1.0 if np.isinf(prior.df) else prior.df / (prior.df + errors.df)
    shrunk = weight * prior.variance + (1 - weight) * errors.variance
    return Errors(variance=np.where(known, shrunk, errors.variance), df=df), prior


def _prior(variance: Values, df: Values) -> Prior:
    """The prior that fits the variances, by the moments of their logarithms (Smyth, 2004, section 6.2)."""
    if len(variance) < 2:
        return Prior(variance=float(variance.mean()) if len(variance) else np.nan, df=0.0)
    floored = np.maximum(variance, _FLOOR * np.median(variance))
    logs = np.log(floored) - digamma(df / 2) + np.log(df / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, df / 2).mean())
    if excess <= 0:
        return Prior(variance=float(np.average(variance, weights=df)), df=np.inf)
    prior_df = 2 * _inverse_trigamma(excess)
    return Prior(variance=float(np.exp(logs.mean() + digamma(prior_df / 2) - np.log(prior_df / 2))), df=prior_df)


def _inverse_trigamma(value: float) -> float:
    """The x > 0 whose trigamma is `value` > 0: between 1/value and 1/value + 1, or 1/sqrt(value) for large values."""
    low, high = 1e-8, 2 + 2 / value
    return float(brentq(lambda x: float(polygamma(1, x)) - value, low, high, xtol=1e-12)) if value < 1e15 else low
