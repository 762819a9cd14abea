"""Adaptive seeds in a sweep file: when to look at the comparisons, and what settles one."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fdt_core.results.looks import MARGIN, Family

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

GROWTH = 1.6
"""How much the seeds grow from look to look, unless the sweep file says when to look."""


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Until:
    """What settles a comparison: a verdict at this margin, with this chance that any verdict is wrong."""

    margin: Annotated[float, Field(gt=0, le=100)] = MARGIN
    """Points of accuracy that a template may lose."""
    error: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    family: Family = "study"
    """Whose error that is: the whole study's, or that of each model and data set by itself."""


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class AdaptiveSeeds:
    """The key `seeds` of a sweep that adds seeds only to comparisons that are open."""

    first: Annotated[int, Field(ge=3, alias="from")]
    """Seeds that every cell gets. Two would tell too little about how much trainings vary."""
    to: Annotated[int, Field(ge=3, le=10_000)]
    """Seeds that a cell gets at most."""
    looks: Annotated[tuple[Annotated[int, Field(ge=3)], ...], Field(min_length=1)] | None = None
    """The numbers of seeds at which to look; by default, they grow by a factor of `GROWTH`."""
    until: Until = Until()

    def __post_init__(self) -> None:
        if self.first > self.to:
            raise ValueError(f"from ({self.first}) must not exceed to ({self.to})")
        if self.looks is not None and (list(self.looks) != sorted(set(self.looks)) or self._ends() != self._given()):
            raise ValueError(f"looks must rise from {self.first} (from) to {self.to} (to), not {list(self.looks)}")

    def _ends(self) -> tuple[int, int]:
        return self.first, self.to

    def _given(self) -> tuple[int, int] | None:
        return (self.looks[0], self.looks[-1]) if self.looks else None

    @property
    def look_list(self) -> tuple[int, ...]:
        """The numbers of seeds at which to look, rising from `first` to `to`."""
        if self.looks is not None:
            return self.looks
        found = [self.first]
        while found[-1] < self.to:
            found.append(min(self.to, math.ceil(GROWTH * found[-1])))
        return tuple(found)
