"""How much a seed changes an accuracy: the error of each block, and what the blocks say about each other's.

A block is a model on a data set, with an accuracy per template and seed. The accuracies of a block are taken as the sum
of an effect of the template, an effect of the seed, and an error with the same variance for all templates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import f as f_distribution

from analysis.statistics.arrays import Flags, Values

LEAST_VARIANCE = 1e-18
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
        return (self.df > 0) & (self.variance > LEAST_VARIANCE)


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
    residuals, df = two_way_residuals(accuracies)
    squares = (residuals**2).sum(axis=(1, 2))
    return Errors(variance=np.divide(squares, df, where=df > 0, out=np.full(len(df), np.nan)), df=df)


def two_way_residuals(accuracies: Values) -> tuple[Values, Values]:
    """What the additive model of templates and seeds leaves: residuals (0 where there is none), and df by block."""
    present = ~np.isnan(accuracies)
    residuals, df = np.zeros(accuracies.shape), np.zeros(len(accuracies))
    if not accuracies.size:
        return residuals, df
    patterns, pattern_of = np.unique(present.reshape(len(present), -1), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        same = np.flatnonzero(pattern_of.reshape(-1) == number)
        residuals[same], df[same] = _residuals(accuracies[same], pattern.reshape(accuracies.shape[1:]))
    return residuals, df


def _residuals(accuracies: Values, present: Flags) -> tuple[Values, int]:
    """The residuals of each block, and their degrees of freedom; `present` holds for all blocks.

    The templates' means are taken out first; what is left of the seeds is solved by the reduced normal equations, which
    are as many as seeds.
    """
    of_template, of_seed = present.sum(axis=1), present.sum(axis=0)
    part = present / np.maximum(of_template, 1)[:, np.newaxis]
    means = np.where(present, accuracies, 0.0).sum(axis=2) / np.maximum(of_template, 1)
    centred = np.where(present, accuracies - means[:, :, np.newaxis], 0.0)
    normal = np.diag(of_seed) - part.T @ present
    inverse = np.linalg.pinv(normal, hermitian=True, rcond=1e-10)
    effects = centred.sum(axis=1) @ inverse
    average = effects @ part.T
    residuals = np.where(present, centred - effects[:, np.newaxis, :] + average[:, :, np.newaxis], 0.0)
    rank = round(float(np.trace(inverse @ normal)))
    free = int(present.sum() - (of_template > 0).sum() - rank)
    return residuals, free


@dataclass(frozen=True, kw_only=True)
class Variation:
    """How much each template varies, over all blocks with an error.

    Args:
        ratio: its standard deviation over that of the other templates, by template.
        p: of so high a variance if all templates vary alike, corrected for all templates (Bonferroni); approximate.
    """

    ratio: Values
    p: Values


def variation_of_templates(accuracies: Values) -> Variation:
    """How much the templates of the same blocks differ in their variances; `accuracies` as in `two_way_errors`."""
    residuals, df = two_way_residuals(accuracies)
    errors = two_way_errors(accuracies)
    known = errors.known
    present = (~np.isnan(accuracies[known])).sum(axis=2)
    # Each template has the part of a block's degrees of freedom that it has of its values.
    parts = df[known][:, np.newaxis] * present / np.maximum(present.sum(axis=1, keepdims=True), 1)
    squares = ((residuals[known] ** 2).sum(axis=2) / errors.variance[known][:, np.newaxis]).sum(axis=0)
    own = parts.sum(axis=0)
    rest = own.sum() - own
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt(squares / own / ((squares.sum() - squares) / rest))
        p = len(own) * f_distribution.sf(ratio**2, own, rest)
    return Variation(ratio=ratio, p=np.minimum(np.where(np.isnan(p), 1.0, p), 1.0))


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
