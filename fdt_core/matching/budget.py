"""The budget: the cost that the networks of a study have in common, so that only their shapes differ."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal, get_args

from pydantic import ConfigDict, field_validator, model_validator
from pydantic.dataclasses import dataclass

from fdt_core.networks.cost import Cost, Metric
from fdt_core.scaling import exact

Rule = Literal["nearest", "at_most", "paper"]

RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Budget:
    """The cost that every network of a study is matched to.

    Raises pydantic's ValidationError (a ValueError) for an invalid value.

    Args:
        metric: the cost to match: a field of `fdt_core.networks.cost.Cost`.
        target: `base`, the cost of the model's base filters (at the same width multiplier); a multiple of it, such as
            `0.5 x base`; or a number in the metric's unit.
        rule: `nearest` takes the n whose cost is closest to the target, on a tie the smaller n; `at_most` the largest n
            that does not exceed it; `paper` the n of the paper's networks (see `fdt_core.matching.paper_tables`).
    """

    metric: Metric = "paper_flops"
    target: float | str = "base"
    rule: Rule = "nearest"

    @field_validator("target")
    @classmethod
    def _known_target(cls, target: float | str) -> float | str:
        if _multiple(target) is None and (isinstance(target, str) or target <= 0):
            raise ValueError("must be base, a multiple such as '0.5 x base', or a positive number")
        return target

    @model_validator(mode="after")
    def _paper_as_published(self) -> Budget:
        if self.rule == "paper" and (self.metric, self.target) != ("paper_flops", "base"):
            raise ValueError("the rule paper needs the metric paper_flops and the target base")
        return self

    def resolve(self, base: Cost) -> Fraction:
        """The exact target, in the metric's unit, if the base network costs `base`."""
        multiple = _multiple(self.target)
        return exact(self.target) if multiple is None else multiple * self.spent(base)

    def spent(self, cost: Cost) -> Fraction:
        """The exact cost in the budget's metric of a network that costs `cost`."""
        return exact(getattr(cost, self.metric))


def _multiple(target: float | str) -> Fraction | None:
    """The factor if `target` is a multiple of base, else None."""
    if not isinstance(target, str):
        return None
    if target.strip() == "base":
        return Fraction(1)
    stated = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*[x*]\s*base\s*", target)
    return exact(stated[1]) or None if stated else None
