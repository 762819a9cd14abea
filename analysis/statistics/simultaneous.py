"""Intervals and tests that hold for all comparisons of a table at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Flags, Numbers, Values
from analysis.statistics.many_to_one import ManyToOne

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Contrasts:
    """Differences of treatments to the reference of their block, of shape blocks, treatments.

    Args:
        difference: estimates, in points; NaN where there is none.
        standard_error: of the differences; NaN where it is unknown.
        tested: which of them are tested.
        df: degrees of freedom of a block's standard errors.
        correlation: the smallest correlation between two tested differences of a block.
    """

    difference: Values
    standard_error: Values
    tested: Flags
    df: Values
    correlation: Values


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Simultaneous intervals of contrasts, of the same shape; NaN where a contrast is not tested.

    Args:
        low: lower limits, in points.
        high: upper limits; infinite for one-sided ones.
        p: of no difference (one-sided: of no positive one), corrected for all comparisons.
    """

    low: Values
    high: Values
    p: Values


def simultaneous(contrasts: Contrasts, *, one_sided: bool = False, confidence: float = CONFIDENCE) -> Intervals:
    """Intervals that all hold together with this confidence.

    Within a block, by Dunnett's distribution (Dunnett, 1955). The blocks are taken as independent (Šidák, 1967), which
    is conservative if they share an estimate of the error.
    """
    low, high, p = (np.full(contrasts.difference.shape, np.nan) for _ in range(3))
    treatments = contrasts.tested.sum(axis=1)
    blocks = int((treatments > 0).sum())
    level = -np.expm1(np.log(confidence) / max(blocks, 1))
    designs = np.column_stack([treatments, two_digits(contrasts.df), two_digits(contrasts.correlation)])
    for design in np.unique(designs[treatments > 0], axis=0):
        at = contrasts.tested & (designs == design).all(axis=1)[:, np.newaxis]
        distribution = ManyToOne(
            treatments=int(design[0]), df=float(design[1]), correlation=float(design[2]), one_sided=one_sided
        )
        difference, standard_error = contrasts.difference[at], contrasts.standard_error[at]
        reach = distribution.critical_value(level) * standard_error
        low[at], high[at] = difference - reach, np.inf if one_sided else difference + reach
        single = distribution.p_values(difference / standard_error)
        with np.errstate(divide="ignore"):
            p[at] = -np.expm1(blocks * np.log1p(-single))  # keeps the digits of small ones
    return Intervals(low=low, high=high, p=p)


def two_digits(values: Values) -> Values:
    """Rounded down to two significant digits, which is conservative: few designs are computed, each once."""
    finite = np.isfinite(values) & (values > 0)
    some = np.where(finite, values, 1.0)
    unit = 10.0 ** (np.floor(np.log10(some)) - 1)
    rounded: Values = np.where(finite, np.floor(some / unit * (1 + 1e-12)) * unit, values)
    return rounded


def averaged(contrasts: Contrasts, groups: Numbers, *, most_df: float) -> Contrasts:
    """The means of contrasts over the blocks of each group, all of the same weight.

    A mean is tested if the contrast is tested in every block of its group. Its degrees of freedom are approximate
    (Satterthwaite, 1946).

    Args:
        contrasts: of independent blocks.
        groups: the number of each block's group.
        most_df: the degrees of freedom of all blocks together, which no mean can exceed.
    """
    # Sorted by group and summed in runs: `numpy.add.at` takes ten times as long.
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.bincount(groups)[:, np.newaxis]
    squares = contrasts.standard_error[order] ** 2
    variance = np.add.reduceat(squares, starts, axis=0)
    quotient = np.add.reduceat(squares**2 / np.maximum(contrasts.df[order], 1e-9)[:, np.newaxis], starts, axis=0)
    tested = np.logical_and.reduceat(contrasts.tested[order], starts, axis=0)
    df = np.divide(variance**2, quotient, where=tested, out=np.full(tested.shape, np.inf)).min(axis=1, initial=np.inf)
    difference = np.add.reduceat(contrasts.difference[order], starts, axis=0)
    correlation = np.minimum.reduceat(contrasts.correlation[order], starts)
    return Contrasts(
        difference=difference / sizes,
        standard_error=np.sqrt(variance) / sizes,
        tested=tested,
        df=np.minimum(df, most_df),
        correlation=correlation,
    )
