"""The n that budget matching chooses against brute force over all n."""

from fractions import Fraction
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching.budget import Budget, Rule
from fdt_core.matching.match import match
from fdt_core.networks.architectures import architecture, architecture_names
from fdt_core.networks.cost import METRICS, Metric, cost_of
from fdt_core.scaling import exact
from fdt_core.templates import Piecewise, Template, template

CIFAR10 = ImageShape(size=32, classes=10)
ALL_IMAGES = tuple(ImageShape(size=size, classes=classes) for size in (32, 64) for classes in (10, 100, 200))


def brute_force(cost: dict[int, Fraction], target: Fraction, rule: Rule) -> int:
    if rule == "at_most":
        return max(n for n in cost if cost[n] <= target)
    return min(cost, key=lambda n: (abs(cost[n] - target), n))


piecewise_templates = st.lists(st.integers(0, 10), min_size=2, max_size=4).filter(any).map(
    lambda heights: Piecewise(
        name="mine",
        points=tuple((Fraction(i, len(heights) - 1), Fraction(height, 10)) for i, height in enumerate(heights)),
    )
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model=st.sampled_from(["vgg11", "resnet18", "resnet34", "resnet50"]),
    found=st.one_of(st.sampled_from("abcde").map(template), piecewise_templates),
    width=st.sampled_from([0.02, 0.05, 0.125, 0.2]),
    image=st.sampled_from([CIFAR10, ImageShape(size=64, classes=200)]),
    metric=st.sampled_from(METRICS),
    multiple=st.sampled_from(["0.2", "0.5", "0.8", "1", "1.1", "1.5"]),
    rule=st.sampled_from(["nearest", "at_most"]),
)
def test_the_chosen_n_is_that_of_brute_force(
    model: str, found: Template, width: float, image: ImageShape, metric: Metric, multiple: str, rule: Rule
) -> None:
    family, budget = architecture(model), Budget(metric=metric, target=f"{multiple} x base", rule=rule)
    base = family.scaled_widths(width)

    @cache
    def spent(widths: tuple[int, ...]) -> Fraction:
        return budget.spent(cost_of(family.plan(widths, width=width, image=image)))

    target = exact(multiple) * spent(base)
    least = found.least_n(base)
    assert least is not None
    cost: dict[int, Fraction] = {}
    while len(cost) < 20 or cost[least + len(cost) - 1] <= 2 * target:
        n = least + len(cost)
        cost[n] = spent(found.widths(base, n))
    if not target:
        with pytest.raises(UsageError, match=f"has a {metric} of 0 at this width: choose another metric"):
            match(family, found, image=image, width=width, budget=budget)
    elif min(cost.values()) > target:
        with pytest.raises(UsageError, match="is below the cost at the smallest n"):
            match(family, found, image=image, width=width, budget=budget)
    else:
        result = match(family, found, image=image, width=width, budget=budget)
        assert result.n == brute_force(cost, target, rule)
        assert result.budget_error == float(cost[result.n] / target - 1)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["nearest", "at_most"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("model", ["vgg19", "resnet18", "resnet50"])
def test_the_chosen_n_is_that_of_brute_force_at_full_width(model: str, metric: Metric, rule: Rule) -> None:
    family = architecture(model)
    for name in "abcde":
        found, budget = template(name), Budget(metric=metric, rule=rule)
        least = found.least_n(family.base_widths)
        assert least is not None
        cost = {
            n: budget.spent(cost_of(family.plan(found.widths(family.base_widths, n), width=1.0, image=CIFAR10)))
            for n in range(least, 800)
        }
        target = budget.resolve(cost_of(family.plan(family.base_widths, width=1.0, image=CIFAR10)))
        result = match(family, found, image=CIFAR10, width=1.0, budget=budget)
        assert result.n == brute_force(cost, target, rule)


@settings(deadline=None)
@given(
    model=st.sampled_from(architecture_names()),
    found=st.one_of(st.sampled_from("abcde").map(template), piecewise_templates),
    width=st.sampled_from([0.02, 0.125, 0.3, 1.0]),
    rise=st.integers(0, 700),
    image=st.sampled_from(ALL_IMAGES),
)
def test_no_cost_falls_as_n_rises_above_the_minimum(
    model: str, found: Template, width: float, rise: int, image: ImageShape
) -> None:
    family = architecture(model)
    base = family.scaled_widths(width)
    before, after = (
        cost_of(family.plan(found.widths(base, min(base) + n), width=width, image=image)) for n in (rise, rise + 1)
    )
    assert all(getattr(before, metric) <= getattr(after, metric) for metric in METRICS)
