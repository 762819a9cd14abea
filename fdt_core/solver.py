"""Budget matching: the filters that a template gives to an architecture within a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from fdt_core.architectures import Architecture
from fdt_core.budget import RULES, Budget
from fdt_core.cost import METRICS, Cost, cost_of
from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.layers import check_connected
from fdt_core.published import published_n
from fdt_core.templates import Template
from fdt_core.width_search import Unreachable, at_most, nearest, readable

__all__ = ["METRICS", "RULES", "Budget", "Match", "match"]

CostOfWidths = Callable[[tuple[int, ...]], Cost]


@dataclass(frozen=True, kw_only=True)
class Match:
    """A network that meets a budget.

    Args:
        n: the chosen free width; None where the template leaves nothing to choose.
        widths: filters of each slot.
        cost: what the network costs.
        target: what it was to cost, in the budget's metric.
        budget_error: achieved / target - 1.
    """

    n: int | None
    widths: tuple[int, ...]
    cost: Cost
    target: float
    budget_error: float


def match(architecture: Architecture, template: Template, *, image: ImageShape, width: float, budget: Budget) -> Match:
    """The filters that `template` gives to `architecture` within `budget`.

    Args:
        architecture: the family of networks.
        template: the filter distribution.
        image: what the network reads.
        width: multiplier of the base filters, the stem and the minimum; the target `base` scales with them.
        budget: what to match.

    Raises:
        UsageError: where the target cannot be met: it lies below the cost at the smallest n, or out of reach; where the
            template does not fit the model; or where the rule `paper` does not know the network.
    """
    base_widths = architecture.scaled_widths(width)
    base = architecture.plan(base_widths, width=width, image=image)
    check_connected(base, image, architecture.name)

    @cache
    def cost(widths: tuple[int, ...]) -> Cost:
        return cost_of(architecture.plan(widths, width=width, image=image))

    target = budget.resolve(cost_of(base))
    if not target:
        raise UsageError(f"{architecture.name} at width {width:g} has a {budget.metric} of 0: choose another metric")
    if template.least_n(base_widths) is None:
        n = None
    elif budget.rule == "paper":
        n = published_n(architecture.name, template.name, image=image, width=width)
    else:
        n = _search(architecture.name, template, base_widths, cost, budget, target)
    widths = template.widths(base_widths, n)
    return Match(
        n=n,
        widths=widths,
        cost=cost(widths),
        target=float(target),
        budget_error=float(budget.spent(cost(widths)) / target - 1),
    )


def _search(
    model: str, template: Template, base_widths: tuple[int, ...], cost: CostOfWidths, budget: Budget, target: Fraction
) -> int:
    """The n that the budget's rule chooses.

    From one above the minimum of the base filters on the cost rises. At the minimum a basic block of ResNet is as wide
    as the stem and has no projection, and so may narrower ones.
    """

    def cost_at(n: int) -> Fraction:
        return budget.spent(cost(template.widths(base_widths, n)))

    rule = at_most if budget.rule == "at_most" else nearest
    least = template.least_n(base_widths) or 1
    try:
        return rule(cost_at, least=least, rising_from=min(base_widths) + 1, target=target)
    except Unreachable as problem:
        raise UsageError(
            f"{model} with template {template.name!r}: {budget.metric} of {readable(target)} {problem}"
        ) from None
