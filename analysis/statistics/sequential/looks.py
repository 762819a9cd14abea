"""Looks at a block while its seeds come in: which templates are settled, and which seeds are wanted next.

A pure function of the accuracies: the same ones give the same decisions, in whatever order they came. A look is taken
only when all trainings that it looks at have ended. The intervals of all looks and comparisons hold together with the
confidence of the study, so a verdict is true with that confidence no matter when a template stops (the repeated
confidence intervals of Jennison and Turnbull, 1989). The chance of an error is spent over the looks (Lan and DeMets,
1983), here by Bonferroni's inequality: with few degrees of freedom the statistics of two looks have little in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t

from analysis.statistics.arrays import Flags, Numbers, Values
from analysis.statistics.differences import LEAST_PAIRS
from analysis.statistics.errors import LEAST_VARIANCE
from analysis.statistics.verdicts import Verdict, verdicts
from fdt_core.results.decisions import OPEN
from fdt_core.results.looks import Family, Looks

SPENDING_POWER = 1.5
"""By n of N seeds, (n/N) to this power of the error is spent (Kim and DeMets, 1987)."""

PRIOR_DF = 4
"""Degrees of freedom that the mean of the variances of a block is worth beside the own variance of a comparison.

At most one less than there are comparisons: a single one has only its own.
"""

_DIGITS = 9
"""Decimals of what is decided on and recorded: the last bits differ between machines."""


def planned_looks(
    seeds: tuple[int, ...], *, margin: float, error: float, templates: int, blocks: int, family: Family = "study"
) -> Looks:
    """The looks at `blocks` blocks, in each of which at most `templates` templates are compared with base.

    Blocks are independent (Šidák, 1967). Templates share the error of a block equally, and looks as `SPENDING_POWER`
    says; both by Bonferroni's inequality.

    Args:
        seeds: the number of seeds at each look, rising.
        margin: points of accuracy that may be lost.
        error: the chance that any interval of the family misses the true difference.
        templates: see above.
        blocks: see above.
        family: `study` or `block`.
    """
    of_block = -np.expm1(np.log1p(-error) / (max(blocks, 1) if family == "study" else 1))
    levels = _shares(seeds) * of_block / max(templates, 1)
    return Looks(
        seeds=seeds,
        levels=tuple(levels.tolist()),
        margin=margin,
        error=error,
        family=family,
        templates=templates,
        blocks=blocks,
    )


def _shares(seeds: tuple[int, ...]) -> Values:
    """The part of the error that each look spends."""
    shares: Values = np.diff((np.asarray(seeds) / seeds[-1]) ** SPENDING_POWER, prepend=0.0)
    return shares


def with_error(looks: Looks, error: float, family: Family = "study") -> Looks:
    """The same looks with another chance of an error of this family."""
    if (error, family) == (looks.error, looks.family):
        return looks
    planned = planned_looks(
        looks.seeds,
        margin=looks.margin,
        error=error,
        family=family,
        templates=looks.templates,
        blocks=looks.blocks,
    )
    return replace(planned, stops=looks.stops)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one look says of one template.

    Args:
        look: the number of the look, from 1.
        template: the number of the template in its block; 0 is base.
        pairs: seeds in common with base.
        difference: to base, in points; NaN without a pair.
        standard_error: of the difference; NaN if it is not tested, as are the next three.
        low: lower limit.
        high: upper limit.
        p: of no difference, corrected for all looks and comparisons of the study.
        df: degrees of freedom of the standard error.
        verdict: what the interval shows.
    """

    look: int
    template: int
    pairs: int
    difference: float
    standard_error: float
    low: float
    high: float
    p: float
    df: int
    verdict: Verdict

    @property
    def is_open(self) -> bool:
        """Whether the template has no answer yet."""
        return self.verdict in OPEN


@dataclass(frozen=True, kw_only=True)
class BlockProgress:
    """How far a block is.

    Args:
        decisions: those of all looks taken, in order.
        wanted: for each template, how many of its first seeds are wanted so far.
        next_wanted: the same if the next look settles nothing: what may be wanted soon.
        most_wanted: the same if no look settles anything any more.
        ended: whether no look is left to take.
    """

    decisions: tuple[Decision, ...]
    wanted: Numbers
    next_wanted: Numbers
    most_wanted: Numbers
    ended: bool


def progress(accuracies: Values, has_ended: Flags, looks: Looks) -> BlockProgress:
    """Take the looks that can be taken.

    A template that is settled gets no further seed. What it has beyond the look that settled it counts for nothing, so
    that later trainings never change an earlier decision. A template of which no seed has a result is given up at the
    first look. Base goes on while any template is open. No look is taken at more seeds than the block has.

    Args:
        accuracies: per cent, of shape templates, seeds; base first; NaN where there is no result.
        has_ended: of the same shape: whether the training has a result or was given up.
        looks: the looks.
    """
    wanted = np.zeros(len(accuracies), dtype=np.int64)
    is_open = np.ones(len(accuracies), dtype=np.bool_)
    decisions: list[Decision] = []
    for index, seeds in enumerate(looks.seeds):
        wanted[is_open] = seeds if looks.stops else looks.seeds[-1]
        if seeds > accuracies.shape[1]:
            break
        if not has_ended[is_open, :seeds].all():
            further = looks.seeds[min(index + 1, len(looks.seeds) - 1)] if looks.stops else looks.seeds[-1]
            return BlockProgress(
                decisions=tuple(decisions),
                wanted=wanted,
                next_wanted=np.where(is_open, further, wanted),
                most_wanted=np.where(is_open, looks.seeds[-1], wanted),
                ended=False,
            )
        counted = np.arange(accuracies.shape[1]) < np.minimum(wanted, seeds)[:, np.newaxis]
        for decision in _look(np.where(counted, accuracies, np.nan), is_open, index, looks):
            decisions.append(decision)
            is_open[decision.template] = not looks.stops or (decision.is_open and decision.pairs > 0)
        if not is_open[1:].any():
            break
    return BlockProgress(decisions=tuple(decisions), wanted=wanted, next_wanted=wanted, most_wanted=wanted, ended=True)


def _look(accuracies: Values, is_open: Flags, index: int, looks: Looks) -> Iterator[Decision]:
    """The decision on each open template."""
    found = paired_errors(accuracies)
    low, high = limits(found.difference, found.standard_error, found.df, looks.levels[index])
    decided = verdicts(low, high, looks.margin)
    for template in np.flatnonzero(is_open[1:]) + 1:
        difference, standard_error = float(found.difference[template]), float(found.standard_error[template])
        df = int(found.df[template])
        yield Decision(
            look=index + 1,
            template=int(template),
            pairs=int(found.pairs[template]),
            difference=difference,
            standard_error=standard_error,
            low=float(low[template]),
            high=float(high[template]),
            p=repeated_p(difference, standard_error, df, index, looks),
            df=df,
            verdict=Verdict(decided[template]),
        )


@dataclass(frozen=True, kw_only=True)
class PairedErrors:
    """The differences of templates to base in one block, by template; base comes first and has none.

    Args:
        pairs: seeds in common with base.
        difference: in points; NaN without a pair.
        standard_error: of the difference; NaN if it is not tested.
        df: degrees of freedom of that.
    """

    pairs: Numbers
    difference: Values
    standard_error: Values
    df: Numbers


def paired_errors(accuracies: Values) -> PairedErrors:
    """Each difference with the variance of its own pairs, shrunk towards the mean of those of its block.

    One variance for all templates would need fewer seeds. But verdicts are given far out in the tails, where it errs:
    if one template varies three times as much as the others, a study of eight blocks errs in 30 of 100 cases instead of
    5, and in 54 if that one is base. Shrunk like this, it errs in 4 and 5 (tests/analysis/statistics/sequential). The
    weight of the mean is fixed, because so few variances cannot tell how much they differ.

    Args:
        accuracies: per cent, of shape templates, seeds; base first; NaN where there is none.
    """
    paired = accuracies - accuracies[0]
    paired[0] = np.nan
    known = ~np.isnan(paired)
    pairs = known.sum(axis=1)
    difference = np.full(len(pairs), np.nan)
    difference[pairs > 0] = np.where(known, paired, 0.0).sum(axis=1)[pairs > 0] / pairs[pairs > 0]
    tested = pairs >= LEAST_PAIRS
    own_df = np.where(tested, pairs - 1, 0)
    squares = np.where(known & tested[:, np.newaxis], (paired - difference[:, np.newaxis]) ** 2, 0.0).sum(axis=1)
    mean = squares.sum() / max(own_df.sum(), 1)
    weight = min(PRIOR_DF, max(int(tested.sum()) - 1, 0))
    df = own_df + weight
    standard_error = np.full(len(pairs), np.nan)
    if mean > LEAST_VARIANCE:
        standard_error[tested] = np.sqrt((squares + weight * mean)[tested] / df[tested] / pairs[tested])
    standard_error[~(standard_error**2 > LEAST_VARIANCE)] = np.nan
    return PairedErrors(
        pairs=pairs, difference=difference.round(_DIGITS), standard_error=standard_error.round(_DIGITS), df=df
    )


def limits(
    difference: Values, standard_error: Values, df: Values | Numbers | int, level: Values | float
) -> tuple[Values, Values]:
    """Lower and upper limits of differences at these two-sided levels; NaN without a standard error."""
    reach = t.isf(np.asarray(level) / 2, np.maximum(df, 1)) * standard_error
    return (difference - reach).round(_DIGITS), (difference + reach).round(_DIGITS)


def repeated_p(difference: float, standard_error: float, df: int, index: int, looks: Looks) -> float:
    """The smallest error of the study at which the interval of this look excludes zero; NaN without an interval."""
    if np.isnan(standard_error):
        return float("nan")
    single = 2 * float(t.sf(abs(difference) / standard_error, max(df, 1)))
    of_block = min(single * max(looks.templates, 1) / float(_shares(looks.seeds)[index]), 1.0)
    with np.errstate(divide="ignore"):
        return round(float(-np.expm1(max(looks.blocks, 1) * np.log1p(-of_block))), 12)
