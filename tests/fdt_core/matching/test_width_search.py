"""The search for n against brute force, on generated costs."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdt_core.matching.width_search import LARGEST_N, Unreachable, at_most, nearest, step_at


@st.composite
def costs(draw: st.DrawFn) -> tuple[Callable[[int], Fraction], int]:
    """A cost that has plateaus and never falls from some n on, and below that n never exceeds its cost there."""
    rising_from = draw(st.integers(1, 12))
    steps = draw(st.lists(st.sampled_from([0, 0, 1, 2, 5, 100]), min_size=1, max_size=40))
    start = draw(st.integers(1, 60))
    below = draw(st.lists(st.integers(1, start), min_size=rising_from - 1, max_size=rising_from - 1))
    rising = [start]
    for step in steps:
        rising.append(rising[-1] + step)
    table = [0, *below, *rising]

    def cost(n: int) -> Fraction:
        return Fraction(table[n] if n < len(table) else table[-1] + (n - len(table) + 1))

    return cost, rising_from


targets = st.fractions(min_value=Fraction(1, 2), max_value=400, max_denominator=4)
FAR = 500
"""At this n, every generated cost exceeds every target."""


@given(costs(), st.integers(1, 15), targets)
def test_no_n_is_nearer_than_nearest(
    found: tuple[Callable[[int], Fraction], int], least: int, target: Fraction
) -> None:
    cost, rising_from = found
    everything = range(least, least + FAR)
    if min(map(cost, everything)) > target:
        with pytest.raises(Unreachable, match="is below the cost at the smallest n"):
            nearest(cost, least=least, rising_from=rising_from, target=target)
    else:
        best = min(everything, key=lambda n: (abs(cost(n) - target), n))
        assert nearest(cost, least=least, rising_from=rising_from, target=target) == best


@given(costs(), st.integers(1, 15), targets)
def test_at_most_is_the_largest_n_that_fits(
    found: tuple[Callable[[int], Fraction], int], least: int, target: Fraction
) -> None:
    cost, rising_from = found
    fitting = [n for n in range(least, least + FAR) if cost(n) <= target]
    if not fitting:
        with pytest.raises(Unreachable, match="is below the cost at the smallest n"):
            at_most(cost, least=least, rising_from=rising_from, target=target)
    else:
        assert at_most(cost, least=least, rising_from=rising_from, target=target) == max(fitting)


@pytest.mark.parametrize("rule", [nearest, at_most])
def test_a_target_that_no_width_reaches_is_rejected(rule: Callable[..., int]) -> None:
    with pytest.raises(Unreachable, match=r"is out of reach: even n = [\d,]+ costs 7"):
        rule(lambda n: Fraction(7), least=64, rising_from=65, target=Fraction(8))


def test_the_search_needs_few_evaluations() -> None:
    asked: set[int] = set()

    def quadratic(n: int) -> Fraction:
        asked.add(n)
        return Fraction(3 * n * n + 1000 * n + 10**6)

    n = nearest(quadratic, least=64, rising_from=65, target=quadratic(50_000) + 1)
    assert n == 50_000
    assert len(asked) < 30 < LARGEST_N


@pytest.mark.parametrize("rule", [nearest, at_most])
@given(found=costs(), least=st.integers(1, 15), target=targets)
def test_a_step_is_from_one_side_of_the_target_to_the_other(
    rule: Callable[..., int], found: tuple[Callable[[int], Fraction], int], least: int, target: Fraction
) -> None:
    cost, rising_from = found
    try:
        n = rule(cost, least=least, rising_from=rising_from, target=target)
    except Unreachable:
        return
    step = step_at(cost, n, rising_from=rising_from, target=target)
    rising = [cost(each) for each in range(rising_from, rising_from + FAR)]
    if n > rising_from:
        assert step == min(each for each in rising if each > target) - max(each for each in rising if each <= target)
    else:
        assert step == min(each for each in rising if each > rising[0]) - rising[0]


@pytest.mark.parametrize("target", [90, 99, 100, 101, 110, 5000, 5050])
@pytest.mark.parametrize("rule", [nearest, at_most])
def test_a_step_needs_no_network_that_the_search_has_not_tried(rule: Callable[..., int], target: int) -> None:
    tried = set()

    def cost(n: int) -> Fraction:
        tried.add(n)
        return Fraction(n * n)

    n = rule(cost, least=1, rising_from=2, target=Fraction(target))
    searched = set(tried)
    assert step_at(cost, n, rising_from=2, target=Fraction(target)) > 0
    assert tried == searched
