"""Accuracies by block, treatment and seed: the form in which treatments are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
        kinds: numbers of the ways of training, of the shape of `values`. Only values of one kind may be compared.
    """

    axis: str
    keys: pd.DataFrame
    treatments: tuple[str, ...]
    values: Values
    planned: Flags
    kinds: Numbers

    @cached_property
    def alike(self) -> Flags:
        """Whether all seeds that a treatment shares with the reference were trained alike; shape blocks, treatments."""
        both = ~np.isnan(self.values) & ~np.isnan(self.values[:, :1])
        alike: Flags = ~((self.kinds != self.kinds[:, :1]) & both).any(axis=2)
        return alike

    @cached_property
    def comparable(self) -> Values:
        """The values, without those that were not trained like the reference.

        Where a block has several kinds, seeds that the reference lacks do not count: nothing says which kind is right.
        """
        present = ~np.isnan(self.values)
        highest = np.where(present, self.kinds, -1).max(axis=(1, 2), initial=-1)
        one_kind = (~present | (self.kinds == highest[:, np.newaxis, np.newaxis])).all(axis=(1, 2))
        known = present[:, :1] | one_kind[:, np.newaxis, np.newaxis]
        return np.where(self.alike[:, :, np.newaxis] & known, self.values, np.nan)


def accuracies(outcomes: pd.DataFrame, *, axis: str, reference: str, alike: Sequence[str] = ()) -> Accuracies:
    """The accuracies of all blocks, those without the treatment `reference` included.

    Args:
        outcomes: as `Study.outcomes`.
        axis: the column that names the treatments.
        reference: the treatment that the others are compared with.
        alike: columns in which treatments must agree, seed by seed. If they do not, their difference has other
            causes too.
    """
    key = [name for name in CELL if name != axis]
    treatments = (reference, *sorted(set(outcomes[axis]) - {reference}))
    block, keys = _numbers(outcomes[key])
    treatment = pd.Index(treatments).get_indexer(outcomes[axis])
    seed = pd.factorize(outcomes["seed"])[0]
    shape = len(keys), len(treatments), int(seed.max(initial=-1)) + 1
    values, kinds = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    planned = np.zeros(shape[:2], dtype=np.bool_)
    values[block, treatment, seed] = outcomes["accuracy"]
    planned[block, treatment] = True
    if alike:
        kinds[block, treatment, seed] = outcomes.groupby(list(alike), dropna=False, sort=False).ngroup()
    return Accuracies(axis=axis, keys=keys, treatments=treatments, values=values, planned=planned, kinds=kinds)


def _numbers(keys: pd.DataFrame) -> tuple[Numbers, pd.DataFrame]:
    """The number of each row's block, and the blocks in order."""
    groups = keys.groupby(list(keys), sort=True)
    return groups.ngroup().to_numpy(), groups.size().index.to_frame(index=False)
