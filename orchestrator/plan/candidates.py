"""The candidates of tuning: settings of the recipe, listed or drawn at random, each with a name."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fdt_core.files.plain_yaml import KeyPath
from fdt_core.quantities import counted
from orchestrator.plan.variants import Variant, grid_variants, setting_name


class Kind(StrEnum):
    """What a number is drawn from: a sweep file writes it before the limits."""

    LOG = "log"
    """Uniform in the logarithm."""
    UNIFORM = "uniform"
    INT = "int"
    """Whole numbers, each as likely."""


FORMS = "log(LOW, HIGH), uniform(LOW, HIGH), int(LOW, HIGH), or a list of values"

_DISTRIBUTION = re.compile(r"\s*(log|uniform|int)\s*\(\s*([^\s,()]+)\s*,\s*([^\s,()]+)\s*\)\s*")

_DIGITS = 4
"""Significant digits of drawn numbers. More would make names long, and no training tells them apart."""

_DRAWS_PER_CANDIDATE = 1000
"""How often to draw for a candidate that is not there yet, before giving up."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What a number is drawn from, both limits included."""

    kind: Kind
    low: float
    high: float

    def draw(self, share: float) -> float | int:
        """The number below which this share (0 to 1) of the distribution lies."""
        if self.kind is Kind.INT:
            return min(int(self.low) + int(share * (self.high - self.low + 1)), int(self.high))
        if self.kind is Kind.LOG:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def place(self, value: float) -> float:
        """The share of the distribution (0 to 1) that lies below this number."""
        scaled = math.log if self.kind is Kind.LOG else float
        return (scaled(value) - scaled(self.low)) / (scaled(self.high) - scaled(self.low))


def distribution(text: str, field: str) -> Distribution:
    """Parse what a field is drawn from, such as `log(0.01, 0.5)`. Raises ValueError for anything else."""
    found = _DISTRIBUTION.fullmatch(text)
    if found is None:
        raise ValueError(f"{field} must be {FORMS}, not {text!r}")
    kind = Kind(found[1])
    try:
        low, high = float(found[2]), float(found[3])
    except ValueError:
        raise ValueError(f"{field}: {text!r}: the limits must be numbers") from None
    if not (math.isfinite(high - low) and low < high):
        raise ValueError(f"{field}: {text!r}: the lower limit must be below the upper one")
    if kind is Kind.LOG and low <= 0:
        raise ValueError(f"{field}: {text!r}: the lower limit of log must be above 0")
    if kind is Kind.INT and not (low.is_integer() and high.is_integer()):
        raise ValueError(f"{field}: {text!r}: the limits of int must be whole numbers")
    return Distribution(kind=kind, low=low, high=high)


def listed_candidates(vary: Mapping[str, Sequence[object]]) -> tuple[Variant, ...]:
    """Every combination of the values of `vary`."""
    return grid_variants(vary, ("tune", "vary"))


Space = Mapping[str, Distribution | Sequence[object]]
"""What the value of each field is drawn from."""


def drawn_candidates(space: Space, *, trials: int, seed: int, pool: int = 1) -> tuple[Variant, ...]:
    """So many different candidates, drawn from `space`; with `pool`, so many times as many, as far as it has them.

    Each value depends on the seed, the name of its field and the number of the draw alone. So the first 16 of 32
    candidates are those of 16, and another field leaves the values of the others alone.

    Raises ValueError if the space has fewer candidates.
    """
    found: dict[str, Variant] = {}
    most = min(trials * pool, math.prod(_size(values) for values in space.values()))
    for fields in itertools.islice(_draws(space, seed), trials * _DRAWS_PER_CANDIDATE):
        candidate = _candidate(fields)
        found.setdefault(candidate.name, candidate)
        if len(found) == most:
            break
    if len(found) < trials:
        raise ValueError(f"has only {counted(len(found), 'different candidate')}, and trials asks for {trials}")
    return tuple(found.values())


def places(space: Space, candidates: Iterable[Variant]) -> tuple[tuple[float, ...], ...]:
    """Where each candidate lies: for each field in turn, from 0 to 1 in its distribution, or the index in its list."""
    return tuple(
        tuple(_place(values, candidate.recipe[field]) for field, values in space.items()) for candidate in candidates
    )


def _place(values: Distribution | Sequence[object], value: Any) -> float:
    return values.place(value) if isinstance(values, Distribution) else float(values.index(value))


def _size(values: Distribution | Sequence[object]) -> float:
    """How many different values there are; those of a real number are not counted."""
    if not isinstance(values, Distribution):
        return len(values)
    return values.high - values.low + 1 if values.kind is Kind.INT else math.inf


def _draws(space: Space, seed: int) -> Iterator[dict[str, object]]:
    for number in itertools.count():
        shares = {field: random.Random(f"{seed}/{field}/{number}").random() for field in sorted(space)}
        yield {field: _value(space[field], share) for field, share in shares.items()}


def _value(values: Distribution | Sequence[object], share: float) -> object:
    return values.draw(share) if isinstance(values, Distribution) else values[int(share * len(values))]


def _candidate(fields: Mapping[str, object]) -> Variant:
    places: dict[str, KeyPath] = {field: ("tune", "sample", field) for field in fields}
    return Variant(name=setting_name(fields), recipe=fields, places=places)
