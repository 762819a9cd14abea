"""How many trainings a sweep with adaptive seeds will likely take: what is not known yet is drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Values
from analysis.statistics.errors import two_way_errors
from analysis.statistics.sequential.looks import progress
from fdt_core.results.looks import Looks
from orchestrator.run.adaptive.wanted_cells import WantedCells

GUESSED_ERROR = 0.3
"""Points by which a training varies, if nothing is known: the root mean square of the paper's tables."""

GUESSED_DIFFERENCE = 1.0
"""Points by which templates truly differ from base: their standard deviation, if nothing is known; as there."""

_SIMULATIONS = 50
_ALL_SIMULATIONS = 400
"""How often a block is simulated: less often if there are many, and at least twice."""


@dataclass(frozen=True, kw_only=True)
class LikelyTrainings:
    """The trainings still to come.

    Args:
        count: their expected number.
        error: points by which a training varies beyond what its seed does to all templates alike (median of blocks).
        measured: whether that was measured in this run.
    """

    count: float
    error: float
    measured: bool


def likely_trainings(wanted: WantedCells, looks: Looks) -> LikelyTrainings:
    """Simulate the rest of each block that has looks left.

    Templates have the means of their trainings so far, as exactly as these tell. Without any, they differ from base as
    guessed. The same plan and rows give the same number.
    """
    blocks = list(wanted.open_blocks())
    known = [_error_of(accuracies) for accuracies, _, _ in blocks]
    measured = [error for error in known if error is not None]
    typical = float(np.median(measured)) if measured else GUESSED_ERROR
    times = max(2, min(_SIMULATIONS, _ALL_SIMULATIONS // max(len(blocks), 1)))
    random, count = np.random.default_rng(0), 0.0
    for (accuracies, ended, planned), error in zip(blocks, known, strict=True):
        for _ in range(times):
            drawn = _drawn(accuracies, error or typical, random)
            may_have = planned & ~(ended & np.isnan(accuracies))  # what was given up stays without a result
            found = progress(np.where(may_have, drawn, np.nan), np.ones(ended.shape, dtype=np.bool_), looks)
            asked = np.arange(ended.shape[1]) < found.wanted[:, np.newaxis]
            count += float((asked & planned & ~ended).sum()) / times
    return LikelyTrainings(count=count + wanted.certain(), error=typical, measured=bool(measured))


def _error_of(accuracies: Values) -> float | None:
    """The error of a block; None if its trainings do not tell."""
    errors = two_way_errors(accuracies[np.newaxis])
    return float(np.sqrt(errors.variance[0])) if errors.known[0] else None


def _drawn(accuracies: Values, error: float, random: np.random.Generator) -> Values:
    """The accuracies, with drawn ones where there is none."""
    known = ~np.isnan(accuracies)
    counts = known.sum(axis=1)
    sums = np.where(known, accuracies, 0.0).sum(axis=1)
    base = sums[0] / counts[0] if counts[0] else 0.0
    guessed = base + GUESSED_DIFFERENCE * random.normal(size=len(counts)) * (np.arange(len(counts)) > 0)
    spread = error / np.sqrt(np.maximum(counts, 1)) * random.normal(size=len(counts))
    means = np.where(counts > 0, sums / np.maximum(counts, 1) + spread, guessed)
    return np.where(known, accuracies, means[:, np.newaxis] + error * random.normal(size=accuracies.shape))
