"""When a run with adaptive seeds looks at its comparisons: a part of its plan, which the analysis reads too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["study", "block"]
"""Whose intervals share an error: those of the whole study, or those of each block."""

MARGIN = 0.5
"""Points of accuracy that a smaller network may lose, unless a user chooses another margin."""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The looks at every block: a model, width, variant and data set.

    Args:
        seeds: the number of seeds at each look, rising.
        levels: the two-sided level of the interval of one difference at each look.
        margin: points of accuracy that may be lost.
        error: the chance that any interval of the family misses the true difference, at any look.
        family: whether the error is that of the whole study, or of each block by itself.
        templates: the most templates that are compared with base in a block.
        blocks: the number of blocks.
        stops: whether a settled template gets no further seed. If not, the looks only report.
    """

    seeds: tuple[int, ...]
    levels: tuple[float, ...]
    margin: float
    error: float
    family: Family
    templates: int
    blocks: int
    stops: bool = True
