"""Symbolic widths: every equation holds, whatever the free widths are."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdt_core.tracing.symbolic.width_system import Held, WidthSystem
from fdt_core.tracing.symbolic.widths import Product, Width, expression_of, is_symbolic


def value_at(system: WidthSystem, size: int, values: dict[int, int]) -> int:
    """A size for values of the free variables, which must be whole."""
    reduced = system.reduced(expression_of(size))
    total = reduced.constant + sum(part * values[variable] for variable, part in reduced.terms.items())
    assert total.denominator == 1
    return int(total)


def free_variables(system: WidthSystem, sizes: list[int]) -> set[int]:
    return {variable for size in sizes for variable in system.reduced(expression_of(size)).terms}


@dataclass
class Network:
    """A random system: its variables, and pairs of sizes that an operation required to be equal."""

    system: WidthSystem = field(default_factory=WidthSystem)
    sizes: list[int] = field(default_factory=list)
    equations: list[tuple[int, int]] = field(default_factory=list)

    def new(self, value: int) -> int:
        self.sizes.append(self.system.new(value))
        return self.sizes[-1]

    def tie(self, one: int, other: int) -> None:
        self.system.tie(one, other, "a tie")
        self.equations.append((one, other))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Ties, sums, multiples, quotients and held sizes in random order; every equation holds for the base values."""
    made = Network()
    for value in draw(st.lists(st.integers(2, 12), min_size=2, max_size=5)):
        made.new(value)
    for kind in draw(st.lists(st.sampled_from(("tie", "sum", "sums", "multiple", "quotient", "hold")), max_size=8)):
        one, other = draw(st.sampled_from(made.sizes)), draw(st.sampled_from(made.sizes))
        factor = draw(st.integers(2, 4))
        if kind == "tie":
            equals = [size for size in made.sizes if int(size) == int(one)]
            made.tie(one, draw(st.sampled_from(equals)))
        elif kind == "sum":
            made.tie(one + other, made.new(int(one) + int(other)))
        elif kind == "sums":
            third = draw(st.sampled_from(made.sizes))
            rest = int(one) + int(other) - int(third)
            if rest > 1:
                made.tie(one + other, third + made.new(rest))
        elif kind == "multiple":
            made.tie(one * factor, made.new(int(one) * factor))
        elif kind == "quotient":
            part = (one + other) // factor
            if is_symbolic(part):
                made.equations.append((part * factor, one + other))
        else:
            made.system.freeze(one, "a test")
            made.equations.append((one, int(one)))
    return made


@given(networks(), st.integers(0, 2**31))
def test_every_equation_holds_for_any_values_of_the_free_widths(network: Network, seed: int) -> None:
    draw = Random(seed)
    values = {variable: draw.randrange(1, 50) for variable in free_variables(network.system, network.sizes)}
    for one, other in network.equations:
        assert value_at(network.system, one, values) == value_at(network.system, other, values)
    assert all(value_at(network.system, size, values) >= 0 for size in network.sizes)


@given(networks())
def test_widths_are_whole_and_never_fall_where_others_rise(network: Network) -> None:
    for size in network.sizes:
        reduced = network.system.reduced(expression_of(size))
        assert reduced.is_whole()
        assert reduced.is_positive()


@given(networks())
def test_the_base_values_give_the_sizes_of_the_traced_network(network: Network) -> None:
    system = network.system
    values = {variable: system.base(variable) for variable in free_variables(system, network.sizes)}
    assert [value_at(system, size, values) for size in network.sizes] == [int(size) for size in network.sizes]


def test_what_nothing_ties_stays_free() -> None:
    network = Network()
    one, other, total = network.new(3), network.new(4), network.new(7)
    network.tie(one + other, total)
    assert len(free_variables(network.system, network.sizes)) == 2
    assert network.system.held == []


@pytest.mark.parametrize("later", [True, False])
def test_an_equation_with_a_solution_that_never_falls_is_solved_and_not_held(later: bool) -> None:
    network = Network()
    part, total = (network.new(5), network.new(8)) if later else reversed((network.new(8), network.new(5)))
    network.tie(part + 3, total)
    assert network.system.held == []
    (free,) = free_variables(network.system, network.sizes)
    assert [value_at(network.system, size, {free: 9}) for size in (part, total)] == [9, 12]


def test_multiples_without_a_whole_solution_share_a_unit() -> None:
    network = Network()
    one, other = network.new(6), network.new(9)
    network.tie(one * 3, other * 2)
    (unit,) = free_variables(network.system, [one, other])
    assert network.system.base(unit) == 3
    assert [value_at(network.system, size, {unit: 5}) for size in (one, other)] == [10, 15]
    assert network.system.held == [], "they still change"


def test_equal_parts_of_a_divided_sum_stay_equal() -> None:
    network = Network()
    one, other = network.new(5), network.new(5)
    assert int((one + other) // 2) == 5
    (unit,) = free_variables(network.system, [one, other])
    assert [value_at(network.system, size, {unit: 7}) for size in (one, other)] == [7, 7]


def test_a_divided_width_becomes_a_multiple() -> None:
    network = Network()
    size = network.new(12)
    assert int(size // 4) == 3
    (unit,) = free_variables(network.system, [size])
    assert value_at(network.system, size, {unit: 5}) == 20


def test_a_ratio_of_two_widths_stays_as_it_is() -> None:
    network = Network()
    size, head = network.new(12), network.new(4)
    assert not is_symbolic(size // head)
    (unit,) = free_variables(network.system, [size, head])
    assert value_at(network.system, size, {unit: 5}) == 3 * value_at(network.system, head, {unit: 5})


def test_widths_without_a_solution_keep_their_proportions() -> None:
    network = Network()
    first, second, third, fourth = (network.new(size) for size in (4, 6, 2, 8))
    network.system.enter("blocks.0")
    network.tie(first * 3 + second * 3, third * 7 + fourth * 2)
    assert network.system.held == [Held((4, 6, 2, 8), "a tie", "blocks.0", proportional=True)]
    (unit,) = free_variables(network.system, network.sizes)
    assert [value_at(network.system, size, {unit: 3}) for size in network.sizes] == [6, 9, 3, 12]


def test_widths_without_a_solution_or_a_common_unit_keep_their_values() -> None:
    network = Network()
    first, second = network.new(4), network.new(6)
    network.tie(first * 5 + 4, second * 4)
    assert free_variables(network.system, network.sizes) == set()
    assert [held.proportional for held in network.system.held] == [False]


def test_a_size_that_differs_from_a_number_is_held_at_its_base_value() -> None:
    network = Network()
    size = network.new(8)
    network.system.enter("stem")
    network.system.freeze(size, "a view")
    assert network.system.held == [Held((8,), "a view", "stem", proportional=False)]
    assert free_variables(network.system, [size]) == set()


def test_sizes_that_differ_in_the_traced_network_cannot_be_tied() -> None:
    network = Network()
    with pytest.raises(ValueError, match="a sum: 3 is not 4"):
        network.system.tie(network.new(3), network.new(4), "a sum")


def test_one_is_not_a_width_because_it_broadcasts() -> None:
    assert not is_symbolic(WidthSystem().new(1))


def test_a_product_is_taken_apart_by_its_factors_and_by_a_divisor_of_one() -> None:
    system = WidthSystem()
    one, other = system.new(6), system.new(4)
    product = one * other
    assert isinstance(product, Product)
    assert int(product) == 24
    assert expression_of(product // other) == expression_of(one)
    assert expression_of(product // one) == expression_of(other)
    third = product // 3
    assert int(third) == 8
    (unit,) = system.reduced(expression_of(one)).terms
    assert system.base(unit) == 2, "the first factor became a multiple of the divisor"
    assert not is_symbolic(product // 7)
    assert product // 7 == 3


def test_a_product_times_a_width_has_all_factors() -> None:
    system = WidthSystem()
    sizes = [system.new(size) for size in (2, 3, 5)]
    product = sizes[0] * sizes[1] * sizes[2] * 1
    assert product.factors == tuple(sizes)  # type: ignore[attr-defined]  # a product, whose type is an integer's
    assert int(product) == 30


def test_tied_products_tie_the_factors_that_differ() -> None:
    network = Network()
    shared, one, other = network.new(3), network.new(8), network.new(8)
    network.system.tie(shared * one, other * shared, "a view")
    assert len(free_variables(network.system, [one, other])) == 1
    assert len(free_variables(network.system, [shared])) == 1


def test_tied_products_of_unlike_factors_are_held() -> None:
    network = Network()
    one, other, whole = network.new(3), network.new(4), network.new(12)
    network.system.tie(one * other, whole, "a view")
    assert free_variables(network.system, network.sizes) == set()
    assert len(network.system.held) == 3


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda size: pickle.loads(pickle.dumps(size))])
def test_copies_of_widths_are_equal_and_pickled_ones_are_plain(copied: object) -> None:
    system = WidthSystem()
    assert callable(copied)
    for size in (system.new(6), system.new(6) * system.new(2)):
        assert int(copied(size)) == int(size)
    assert type(pickle.loads(pickle.dumps(system.new(6)))) is int
    assert isinstance(copy.deepcopy(system.new(6)), Width)
