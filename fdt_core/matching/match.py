"""Budget matching: the filters that a template gives an architecture within a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget
from fdt_core.matching.paper_tables import published_n
from fdt_core.matching.width_search import Unreachable, at_most, nearest, readable
from fdt_core.networks.architectures import Architecture
from fdt_core.networks.cost import Cost, cost_of
from fdt_core.networks.layers import check_connected
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
    """

    n: int | None
    widths: tuple[int, ...]
    cost: Cost
    target: float
    budget_error: float


def match(architecture: Architecture, template: Template, *, image: ImageShape, width: float, budget: Budget) -> Match:
    """Match `architecture` with `template` to `budget`.

    Args:
        architecture: the family of networks.
        template: the filter distribution.
        image: the shape of the images and the number of classes.
        width: multiplier of the base filters, and so of their minimum, and of the stem; the target `base` scales too.
        budget: the cost to match.

    Raises:
        UsageError: if the target cannot be met, because it is below the cost at the smallest n or out of reach; if the
            template does not fit the model; or if the rule `paper` does not know the network.
    """
    base_widths = architecture.scaled_widths(width)
    base = architecture.plan(base_widths, width=width, image=image)
    check_connected(base, image, architecture.name)
    target = _target(budget, cost_of(base), architecture.name)

    def widths_at(n: int | None) -> tuple[int, ...]:
        widths = template.widths(base_widths, n)
        _require_slots(widths, template.name, architecture)
        return widths

    @cache
    def cost_at(n: int | None) -> Cost:
        return cost_of(architecture.plan(widths_at(n), width=width, image=image))

    least = template.least_n(base_widths)
    if least is None:
        n = None
    elif budget.rule == "paper":
        n = published_n(architecture.name, template.name, image=image, width=width)
    else:
        try:
            n = _search(cost_at, budget, target, least=least, minimum=min(base_widths))
        except Unreachable as problem:
            wanted = f"{budget.metric} of {readable(target)}"
            raise UsageError(f"{architecture.name} with template {template.name!r}: {wanted} {problem}") from None
    cost = cost_at(n)
    error = float(budget.spent(cost) / target - 1)
    return Match(n=n, widths=widths_at(n), cost=cost, target=float(target), budget_error=error)


def _target(budget: Budget, base: Cost, model: str) -> Fraction:
    """The budget's target; it must not be 0, as it is for the memory_mb of very narrow networks."""
    target = budget.resolve(base)
    if not target:
        raise UsageError(f"{model} has a {budget.metric} of 0 at this width: choose another metric")
    return target


def _require_slots(widths: tuple[int, ...], template: str, architecture: Architecture) -> None:
    slots = len(architecture.base_widths)
    if len(widths) != slots:
        raise UsageError(f"template {template!r} gives {len(widths)} widths, but {architecture.name} has {slots} slots")


def _search(cost_at: Callable[[int], Cost], budget: Budget, target: Fraction, *, least: int, minimum: int) -> int:
    """The n that the budget's rule chooses.

    The cost rises from one above the minimum of the base filters. At the minimum, a basic block of a ResNet is as wide
    as the stem and has no projection; below it, the same can happen to a bottleneck.
    """

    def spent_at(n: int) -> Fraction:
        return budget.spent(cost_at(n))

    rule = at_most if budget.rule == "at_most" else nearest
    return rule(spent_at, least=least, rising_from=minimum + 1, target=target)
