"""Accuracies by block, treatment and seed: the form in which treatments are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.keys import CELL
from analysis.statistics.arrays import Flags, Numbers, Values


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """The accuracies of several blocks, each with the same treatments: templates, for instance, or runs.

    Args:
        axis: the column that names the treatments.
        keys: a row per block, with the columns of a cell except for `axis`.
        treatments: the treatments; the first is the reference.
        values: per cent, of shape blocks, treatments, seeds; NaN where there is no result.
        planned: of shape blocks, treatments: whether such a cell was planned.
        alike: of shape blocks, treatments: whether the seeds that a treatment shares with the reference were trained
            alike.
    """

    axis: str
    keys: pd.DataFrame
    treatments: tuple[str, ...]
    values: Values
    planned: Flags
    alike: Flags

    @property
    def comparable(self) -> Values:
        """The values, without those of treatments that were not trained like the reference."""
        return np.where(self.alike[:, :, np.newaxis], self.values, np.nan)


def accuracies(outcomes: pd.DataFrame, *, axis: str, reference: str, alike: Sequence[str] = ()) -> Accuracies:
    """The accuracies of all blocks, those without the treatment `reference` included.

    Args:
        outcomes: as `Study.outcomes`.
        axis: the column that names the treatments.
        reference: the treatment that the others are compared with.
        alike: columns in which a treatment must agree with the reference, seed by seed. If it does not, their
            difference has other causes too.
    """
    key = [name for name in CELL if name != axis]
    treatments = (reference, *sorted(set(outcomes[axis]) - {reference}))
    block, keys = _numbers(outcomes[key])
    treatment = pd.Index(treatments).get_indexer(outcomes[axis])
    seed = pd.factorize(outcomes["seed"])[0]
    shape = len(keys), len(treatments), int(seed.max(initial=-1)) + 1
    values, codes = np.full(shape, np.nan), np.full(shape, -1)
    planned, same = np.zeros(shape[:2], dtype=np.bool_), np.ones(shape[:2], dtype=np.bool_)
    values[block, treatment, seed] = outcomes["accuracy"]
    planned[block, treatment] = True
    both = ~np.isnan(values) & ~np.isnan(values[:, :1])
    for name in alike:
        codes[block, treatment, seed] = pd.factorize(outcomes[name])[0]
        same &= ~((codes != codes[:, :1]) & both).any(axis=2)
    return Accuracies(axis=axis, keys=keys, treatments=treatments, values=values, planned=planned, alike=same)


def _numbers(keys: pd.DataFrame) -> tuple[Numbers, pd.DataFrame]:
    """The number of each row's block, and the blocks in order."""
    groups = keys.groupby(list(keys), sort=True)
    return groups.ngroup().to_numpy(), groups.size().index.to_frame(index=False)
