"""The candidates as points of a plot: what each reached at the first rung, along the field that was tuned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from analysis.keys import BLOCK, template_order
from analysis.tuning.groups import TunedGroup

LEAST_FOR_LOG = 10
"""Values that span more than this factor are shown on a logarithmic axis."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A horizontal axis of the values of the only tuned field.

    Args:
        field: its name.
        log: whether the axis is logarithmic.
    """

    field: str
    log: bool

    @property
    def title(self) -> str:
        """The title of the axis."""
        return self.field.replace("_", " ").capitalize()


@dataclass(frozen=True, kw_only=True)
class CandidatePoint:
    """A candidate.

    Args:
        name: its name.
        value: its place on the scale; without one, its place among the candidates, from 0 to 1.
        accuracy: its validation accuracy at the first rung; None without one.
        chosen: whether it has won.
        waits: whether it has yet to end that rung.
    """

    name: str
    value: float
    accuracy: float | None
    chosen: bool
    waits: bool


def in_block(groups: Iterable[TunedGroup], block: Sequence[Any], dataset: str) -> dict[str, TunedGroup]:
    """The groups of a run, model, width and variant on a data set, by template in the order shown."""
    found = {
        group.template: group
        for group in groups
        if group.dataset == dataset
        and all(getattr(group, name) == value for name, value in zip(BLOCK, block, strict=True))
    }
    return {template: found[template] for template in template_order(found)}


def scale_of(groups: Iterable[TunedGroup]) -> Scale | None:
    """The scale of groups whose candidates differ in a single number; None for any others."""
    every = [candidate.settings for group in groups for candidate in group.candidates]
    fields = {name for settings in every for name in settings}
    if len(fields) != 1:
        return None
    (field,) = fields
    values = [settings[field] for settings in every]
    if not all(isinstance(value, Real) and not isinstance(value, bool) for value in values):
        return None
    return Scale(field=field, log=min(values) > 0 and max(values) / min(values) > LEAST_FOR_LOG)


def candidate_points(group: TunedGroup, scale: Scale | None) -> list[CandidatePoint]:
    """The candidates of a group from left to right: along the scale, or as drawn."""
    last = max(1, len(group.candidates) - 1)
    points = [
        CandidatePoint(
            name=candidate.name,
            value=float(candidate.settings[scale.field]) if scale else place / last,
            accuracy=candidate.accuracy(1),
            chosen=candidate.name == group.halving.winner,
            waits=candidate.is_waiting,
        )
        for place, candidate in enumerate(group.candidates)
    ]
    return sorted(points, key=lambda point: point.value)


def accuracies_of(points: Iterable[CandidatePoint]) -> list[float]:
    """The accuracies, NaN where there is none."""
    return [math.nan if point.accuracy is None else point.accuracy for point in points]
