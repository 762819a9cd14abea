"""Differences between cells, paired by seed: intervals, tests corrected for their number, effect sizes.

Two cells trained with the same seed saw the same shuffling and augmentation, so their difference is taken seed by seed.
The intervals show how much other seeds would change the result. They do not cover other test images.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests

from analysis.keys import BASE, CELL
from analysis.statistics.seeds_needed import seeds_needed

CONFIDENCE = 0.95

BOOTSTRAP_FROM = 10
"""Number of seeds from which intervals are bootstrapped (BCa); below it, they are Student's t."""

RESAMPLES = 1000
_ELEMENTS = 20_000_000
"""Random numbers drawn at once; limits the memory of a bootstrap."""

ALIKE = ("recipe", "dataset_digest")
"""Columns of outcomes in which two cells must agree, so that only the template can explain their difference."""

Values = NDArray[np.float64]


class Verdict(StrEnum):
    """What the seeds show of a difference between two cells."""

    ABOVE = "above"
    BELOW = "below"
    NOT_SEPARATED = "not separated"
    UNTESTED = "untested"


SEPARATED = (Verdict.ABOVE, Verdict.BELOW)
"""The verdicts on differences that are separated from zero."""


def differences_to_base(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Every template minus base, within a run, model, width and data set. Columns: see `paired_differences`."""
    return paired_differences(outcomes, axis="template", reference=BASE, alike=ALIKE)


def differences_between_runs(outcomes: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Every cell minus the same cell of the run `reference`. Columns: see `paired_differences`."""
    return paired_differences(outcomes, axis="run", reference=reference, alike=("dataset_digest",))


def paired_differences(
    outcomes: pd.DataFrame, *, axis: str, reference: str, alike: Sequence[str] = (), only_verdicts: bool = False
) -> pd.DataFrame:
    """Each cell minus its partner: the cell that is the same except for the value `reference` on `axis`.

    Only seeds that both cells have count.

    Args:
        outcomes: as `Study.outcomes`.
        axis: the column in which partners differ.
        reference: the value on `axis` of the cells that the others are compared with.
        alike: columns in which partners must agree, seed by seed. If they do not, their difference has other causes
            too: it is shown, but nothing is concluded from it.
        only_verdicts: leave `low`, `high` and `seeds_needed` empty; they take most of the time.

    Returns:
        One row per cell that has a partner. Besides the columns of a cell: `pairs` (seeds in common), `difference`
        (mean, points), `std` of the differences (ddof 1), `low` and `high` (95 % interval, for this difference alone),
        `p` (paired t test), `p_holm` (corrected for all rows of the frame; Holm, 1979), `effect` (Hedges' g),
        `seeds_needed` (in all, to separate the two among this number of tests), `unlike` (whether they disagree in
        `alike`) and `verdict` (a `Verdict`): `untested` means that no test is possible because of fewer than two pairs,
        differences without any spread or unlike partners.
    """
    by_seed = outcomes.set_index([*CELL, "seed"])
    accuracy = by_seed["accuracy"].unstack("seed")
    is_reference = accuracy.index.get_level_values(axis) == reference
    partners = accuracy[is_reference].droplevel(axis)
    others = accuracy[~is_reference]
    others = others[_without(others.index, axis).isin(partners.index)]
    theirs = partners.reindex(_without(others.index, axis)).to_numpy(dtype=float)
    mine = others.to_numpy(dtype=float)
    columns = [_compared(mine - theirs, intervals=not only_verdicts), _effects(mine, theirs)]
    compared = pd.concat(columns, axis=1)
    unlike = np.zeros(len(compared), dtype=np.bool_)
    for name in alike:
        numbers = pd.Series(pd.factorize(by_seed[name])[0], index=by_seed.index).unstack("seed")
        partner = numbers[is_reference].droplevel(axis).reindex(_without(others.index, axis)).to_numpy()
        unlike |= ((numbers.loc[others.index].to_numpy() != partner) & ~np.isnan(mine - theirs)).any(axis=1)
    compared.loc[unlike, ["low", "high", "p", "effect"]] = np.nan
    compared = compared.assign(unlike=unlike).set_index(others.index).reset_index()
    return _with_verdicts(compared, more_seeds=not only_verdicts)


def _without(index: pd.Index, level: str) -> pd.MultiIndex:
    """The keys of cells without one level: what a cell and its partner have in common."""
    return pd.MultiIndex.from_frame(index.to_frame(index=False).drop(columns=level))


def mean_interval(samples: Values, confidence: float = CONFIDENCE) -> tuple[Values, Values]:
    """Confidence limits of the mean of each row of `samples` (shape: cells, seeds; at least 2 seeds, with some spread).

    Student's t below `BOOTSTRAP_FROM` seeds, otherwise the BCa bootstrap (Efron, 1987) with a fixed seed.
    """
    seeds = samples.shape[1]
    if seeds < BOOTSTRAP_FROM:
        interval = stats.ttest_1samp(samples, 0.0, axis=1).confidence_interval(confidence)
        return interval.low, interval.high
    rows = max(1, _ELEMENTS // (seeds * max(seeds, RESAMPLES)))
    rng = np.random.default_rng(0)
    parts = [
        stats.bootstrap(
            (samples[start : start + rows],),
            np.mean,
            axis=1,
            n_resamples=RESAMPLES,
            confidence_level=confidence,
            rng=rng,
        ).confidence_interval
        for start in range(0, len(samples), rows)
    ]
    return np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts])


def _compared(differences: Values, *, intervals: bool) -> pd.DataFrame:
    """The columns computed from the differences (shape: cells, seeds; NaN if a seed lacks a partner)."""
    pairs = (~np.isnan(differences)).sum(axis=1)
    frame = pd.DataFrame(
        {"pairs": pairs} | {name: np.full(len(pairs), np.nan) for name in ("difference", "std", "low", "high", "p")}
    )
    for count in np.unique(pairs[pairs > 0]):
        rows = np.flatnonzero(pairs == count)
        dense = differences[rows]
        dense = dense[~np.isnan(dense)].reshape(len(rows), count)
        frame.loc[rows, "difference"] = dense.mean(axis=1)
        if count > 1:
            frame.loc[rows, "std"] = dense.std(axis=1, ddof=1)
            spread = has_spread(dense)
            frame.loc[rows[spread], "p"] = stats.ttest_1samp(dense[spread], 0.0, axis=1).pvalue
            if intervals and spread.any():
                frame.loc[rows[spread], ["low", "high"]] = np.column_stack(mean_interval(dense[spread]))
    return frame


def has_spread(samples: Values) -> NDArray[np.bool_]:
    """Whether the seeds of a row differ by more than rounding errors. Small test sets make equal differences likely."""
    spread: NDArray[np.bool_] = np.ptp(samples, axis=1) > 1e-9
    return spread


def _effects(mine: Values, theirs: Values) -> pd.DataFrame:
    """Hedges' g: the difference of the means in pooled standard deviations, corrected for few seeds (Hedges, 1981)."""
    effect = np.full(len(mine), np.nan)
    counts = [(~np.isnan(values)).sum(axis=1) for values in (mine, theirs)]
    both = (counts[0] > 1) & (counts[1] > 1)
    stds = [np.nanstd(values[both], axis=1, ddof=1) for values in (mine, theirs)]
    spread = np.hypot(*stds) > 1e-9
    rows = np.flatnonzero(both)[spread]
    if len(rows):
        effect[rows], _ = effectsize_smd(
            np.nanmean(mine[rows], axis=1), stds[0][spread], counts[0][rows],
            np.nanmean(theirs[rows], axis=1), stds[1][spread], counts[1][rows],
        )  # fmt: skip
    return pd.DataFrame({"effect": effect})


def _with_verdicts(frame: pd.DataFrame, *, more_seeds: bool) -> pd.DataFrame:
    """Add `p_holm`, `seeds_needed` (empty unless `more_seeds`) and `verdict`."""
    tested = frame["p"].notna()
    frame[["p_holm", "seeds_needed"]] = np.nan
    if tested.any():
        rows = frame[tested]
        frame.loc[tested, "p_holm"] = multipletests(rows["p"], method="holm")[1]
        if more_seeds:
            level = (1 - CONFIDENCE) / len(rows)
            frame.loc[tested, "seeds_needed"] = seeds_needed(rows["difference"] / rows["std"], alpha=level)
    separated = frame["p_holm"] < 1 - CONFIDENCE
    verdicts = [~tested, separated & (frame["difference"] > 0), separated]
    choices = [Verdict.UNTESTED.value, Verdict.ABOVE.value, Verdict.BELOW.value]
    return frame.assign(verdict=np.select(verdicts, choices, Verdict.NOT_SEPARATED.value))
