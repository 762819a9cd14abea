"""The candidates of tuning: settings of the recipe, listed or drawn at random, each with a name."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

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


def drawn_candidates(
    space: Mapping[str, Distribution | Sequence[object]], *, trials: int, seed: int
) -> tuple[Variant, ...]:
    """So many different candidates, drawn from `space`.

    Each value depends on the seed, the name of its field and the number of the draw alone. So the first 16 of 32
    candidates are those of 16, and another field leaves the values of the others alone.

    Raises ValueError if the space has fewer candidates.
    """
    found: dict[str, Variant] = {}
    for fields in itertools.islice(_draws(space, seed), trials * _DRAWS_PER_CANDIDATE):
        candidate = _candidate(fields)
        found.setdefault(candidate.name, candidate)
        if len(found) == trials:
            return tuple(found.values())
    raise ValueError(f"has only {counted(len(found), 'different candidate')}, and trials asks for {trials}")


def _draws(space: Mapping[str, Distribution | Sequence[object]], seed: int) -> Iterator[dict[str, object]]:
    for number in itertools.count():
        shares = {field: random.Random(f"{seed}/{field}/{number}").random() for field in sorted(space)}
        yield {field: _value(space[field], share) for field, share in shares.items()}


def _value(values: Distribution | Sequence[object], share: float) -> object:
    return values.draw(share) if isinstance(values, Distribution) else values[int(share * len(values))]


def _candidate(fields: Mapping[str, object]) -> Variant:
    places: dict[str, KeyPath] = {field: ("tune", "sample", field) for field in fields}
    return Variant(name=setting_name(fields), recipe=fields, places=places)
