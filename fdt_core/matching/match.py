"""Budget matching: the filters that a template gives an architecture within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget
from fdt_core.matching.paper_tables import published_n
from fdt_core.matching.width_search import Unreachable, at_most, nearest, readable, step_at
from fdt_core.networks.cost import Cost
from fdt_core.networks.family import Model
from fdt_core.templates import Template

__all__ = ["Budget", "Match", "match"]


@dataclass(frozen=True, kw_only=True)
class Match:
    """A network that meets a budget.

    Args:
        n: the chosen free width; None if the template has no free width.
        widths: filters of each slot.
        cost: the cost of the network.
        target: the target, in the budget's metric.
        budget_error: achieved / target - 1.
        step: the difference in cost to the next n in the direction of the target, as a part of the target; None if
            there is no n.
    """

    n: int | None
    widths: tuple[int, ...]
    cost: Cost
    target: float
    budget_error: float
    step: float | None


def match(model: Model, template: Template, *, image: ImageShape, width: float, budget: Budget) -> Match:
    """Match `model` with `template` to `budget`.

    Args:
        model: an architecture or a traced network.
        template: the filter distribution.
        image: the shape of the images and the number of classes.
        width: multiplier of the base filters, and so of their minimum, and of the stem; the target `base` scales too.
        budget: the cost to match.

    Raises:
        UsageError: if the target cannot be met, because it is below the cost at the smallest n or out of reach; if the
            template does not fit the model; or if the rule `paper` does not know the network.
    """
    family = model.family(image=image, width=width)
    base = family.base_filters
    target = _target(budget, family.cost_of(base), model.name)
    has_free_width = template.least_n(base) is not None
    start = with_minimum(base, model.least_filters) if has_free_width else base
    least = template.least_n(start)

    def widths_at(n: int | None) -> tuple[int, ...]:
        asked = template.widths(start, n)
        _require_slots(asked, len(base), template.name, model.name)
        widths = family.reachable(asked)
        if n is None:
            _require_reachable(asked, widths, template.name, model.name)
        return widths

    @cache
    def cost_at(n: int | None) -> Cost:
        return family.cost_of(widths_at(n))

    def spent_at(n: int) -> Fraction:
        return budget.spent(cost_at(n))

    rising_from = _rising_from(start)
    if least is None:
        n = None
    elif budget.rule == "paper":
        n = published_n(model.name, template.name, image=image, width=width)
    else:
        rule = at_most if budget.rule == "at_most" else nearest
        try:
            n = rule(spent_at, least=least, rising_from=rising_from, target=target)
        except Unreachable as problem:
            wanted = f"{budget.metric} of {readable(target)}"
            raise UsageError(f"{model.name} with template {template.name!r}: {wanted} {problem}") from None
    cost = cost_at(n)
    return Match(
        n=n,
        widths=widths_at(n),
        cost=cost,
        target=float(target),
        budget_error=float(budget.spent(cost) / target - 1),
        step=None if n is None else float(step_at(spent_at, n, rising_from=rising_from, target=target) / target),
    )


def with_minimum(filters: tuple[int, ...], least: int | None) -> tuple[int, ...]:
    """`filters` with `least` as their minimum: the smallest ones, and those below it, become `least`."""
    if least is None:
        return filters
    lowest = max(least, min(filters))
    return tuple(least if each <= lowest else each for each in filters)


def _target(budget: Budget, base: Cost, model: str) -> Fraction:
    """The budget's target; it must not be 0, as it is for the memory_mb of very narrow networks."""
    target = budget.resolve(base)
    if not target:
        raise UsageError(f"{model} has a {budget.metric} of 0 at this width: choose another metric")
    return target


def _require_slots(widths: tuple[int, ...], slots: int, template: str, model: str) -> None:
    if len(widths) != slots:
        raise UsageError(f"template {template!r} gives {len(widths)} widths, but {model} has {slots} slots")


def _require_reachable(asked: tuple[int, ...], reachable: tuple[int, ...], template: str, model: str) -> None:
    """Reject filters that were stated one by one, and that the network cannot have."""
    for slot, (wanted, nearest_width) in enumerate(zip(asked, reachable, strict=True)):
        if wanted != nearest_width:
            raise UsageError(
                f"template {template!r} asks for {wanted} filters in slot {slot} of {model}; the nearest number "
                f"that it can have there is {nearest_width}"
            )


def _rising_from(filters: tuple[int, ...]) -> int:
    """The n from which the cost rises: one above the minimum of the base filters.

    At the minimum, a basic block of a ResNet is as wide as the stem and has no projection; below it, the same can
    happen to a bottleneck.
    """
    return min(filters) + 1
