"""Simulated studies, for tests of how often statistics are right."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.accuracies import Accuracies

Values = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Values]

TEMPLATES = ("base", "a", "b", "c", "d", "e")


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return rng.normal(size=shape)


def heavy_tails(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Student's t with 3 degrees of freedom, with a standard deviation of 1."""
    return rng.standard_t(3, size=shape) / math.sqrt(3)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """An exponential loss, with a mean of 0 and a standard deviation of 1: most seeds are good, and a few bad."""
    return 1 - rng.exponential(size=shape)


def accuracies_of(values: Values, models: int = 2) -> Accuracies:
    """Accuracies of shape blocks, templates, seeds, the blocks being `models` on each data set."""
    blocks, templates = values.shape[:2]
    keys = pd.DataFrame(
        {
            "run": "run",
            "model": [f"model{block % models}" for block in range(blocks)],
            "width": 1.0,
            "variant": "",
            "dataset": [f"data{block // models}" for block in range(blocks)],
        }
    )
    every = np.ones((blocks, templates), dtype=np.bool_)
    kinds = np.zeros(values.shape, dtype=np.int64)
    return Accuracies(
        axis="template", keys=keys, treatments=TEMPLATES[:templates], values=values, planned=every, kinds=kinds
    )


def study(
    rng: np.random.Generator,
    *,
    seeds: int,
    effects: Values | None = None,
    spread: Values | float = 1.0,
    noise: Noise = normal,
    blocks: int = 8,
    seed_spread: float = 1.0,
) -> Accuracies:
    """A study of `blocks` blocks and six templates.

    Args:
        rng: draws the noise.
        seeds: seeds of each cell.
        effects: the true differences to base, of a shape that fits blocks, templates; default: none.
        spread: the standard deviation of a cell's seeds, by block or for all.
        noise: draws it.
        blocks: number of blocks.
        seed_spread: standard deviation of what all templates of a block share in a seed, in units of `spread`.
    """
    shape = (blocks, len(TEMPLATES), seeds)
    scale = np.broadcast_to(np.asarray(spread, dtype=float), (blocks,))[:, np.newaxis, np.newaxis]
    shared = seed_spread * rng.normal(size=(blocks, 1, seeds))
    values = 90 + scale * (noise(rng, shape) + shared)
    return accuracies_of(values + (0 if effects is None else np.broadcast_to(effects, shape[:2])[:, :, np.newaxis]))
