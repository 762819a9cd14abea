"""Which widths are slots, which follow one, and which stay: the rules on small networks, and what overrides change."""

from __future__ import annotations

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching.match import Budget, match
from fdt_core.model_definition import ModelDefinition
from fdt_core.templates import template
from fdt_core.tracing.slots import FixedWidth, Follower, Slot, SlotChoice
from fdt_core.tracing.traced_network import TracedModel, TracedNetwork
from tests.fdt_core.tracing import small_networks

IMAGE = ImageShape(size=16, classes=7)


def model(network: str, **overrides: object) -> TracedModel:
    name = f"{small_networks.__name__}:{network}"
    return TracedModel(definition=ModelDefinition(name=name, **overrides))  # type: ignore[arg-type]  # fields, by name


def traced(network: str, **overrides: object) -> TracedNetwork:
    return model(network, **overrides).network(IMAGE)


def slots(choice: SlotChoice) -> list[tuple[str, ...]]:
    return [slot.modules for slot in choice.slots]


def following(choice: SlotChoice) -> dict[tuple[str, ...], int]:
    return {follower.modules: follower.slot for follower in choice.followers}


def fixed(choice: SlotChoice) -> dict[tuple[str, ...], str]:
    return {each.modules: each.reason for each in choice.fixed}


def test_in_a_chain_every_convolution_is_a_slot_and_the_classes_are_not() -> None:
    choice = traced("Chain").choice
    assert slots(choice) == [("first",), ("second",), ("third",)]
    assert [slot.base for slot in choice.slots] == [8, 16, 32]
    assert (choice.followers, choice.fixed) == ((), ())


def test_the_stream_of_a_stage_follows_its_first_bottleneck_and_the_stem_stays() -> None:
    choice = traced("Stage").choice
    assert slots(choice) == [("reduce1",), ("reduce2",)]
    assert following(choice) == {("expand1", "projection", "expand2"): 0}
    assert fixed(choice) == {("stem",): "only convolutions of the image write it: a stem"}


def test_depthwise_convolutions_and_excitations_write_what_their_slot_writes() -> None:
    choice = traced("Separable").choice
    assert slots(choice) == [("expand", "depthwise", "excite")]
    assert choice.slots[0].base == 24
    # The stream, which the stem is added to, follows the expansion: it has a writer that reads a slot.
    assert following(choice) == {("squeeze",): 0, ("stem", "project"): 0}
    assert choice.fixed == ()


def test_groups_make_filters_multiples() -> None:
    choice = traced("Grouped").choice
    assert [(slot.base, slot.multiple) for slot in choice.slots] == [(16, 4), (32, 4)]


def test_followers_keep_their_base_proportion_rounded_half_to_even_and_at_least_one() -> None:
    choice = traced("Stage").choice
    roles: list[Slot | Follower | FixedWidth] = [*choice.slots, *choice.followers, *choice.fixed]
    by_width = {each.width: each.modules for each in roles}

    def widths(filters: tuple[int, int], width: float) -> dict[str, int]:
        return {by_width[index][0]: value for index, value in enumerate(choice.free_widths(filters, width))}

    assert widths((8, 6), 1.0) == {"stem": 12, "reduce1": 8, "reduce2": 6, "expand1": 32}
    assert widths((5, 9), 1.0) == {"stem": 12, "reduce1": 5, "reduce2": 9, "expand1": 20}
    assert widths((5, 9), 0.5) == {"stem": 6, "reduce1": 5, "reduce2": 9, "expand1": 20}
    assert widths((1, 1), 0.01) == {"stem": 1, "reduce1": 1, "reduce2": 1, "expand1": 4}
    assert choice.base_filters(0.5) == (4, 3)
    assert choice.base_filters(2.0) == (16, 12)
    assert choice.free_widths(choice.base_filters(1.0), 1.0) == choice.base


def test_a_follower_that_is_narrower_than_its_slot_rounds_to_even_and_never_vanishes() -> None:
    choice = traced("Separable").choice
    squeeze = next(each.width for each in choice.followers if each.modules == ("squeeze",))  # a quarter of the slot
    assert [choice.free_widths((filters,), 1.0)[squeeze] for filters in (1, 10, 14, 24)] == [1, 2, 4, 6]


def test_filters_that_are_multiples_are_rounded_to_the_nearest() -> None:
    choice = traced("Grouped").choice
    units = [slot.width for slot in choice.slots]
    widths = choice.free_widths((17, 1), 1.0)
    assert [widths[unit] for unit in units] == [4, 1]
    assert choice.base_filters(0.3) == (4, 8), "4.8 and 9.6, the nearest multiples of 4: 4 and 8"


def test_slots_can_be_named() -> None:
    choice = traced("Chain", slots=("second",)).choice
    assert slots(choice) == [("second",)]
    assert following(choice) == {("third",): 0}
    assert set(fixed(choice)) == {("first",)}


def test_layers_can_be_fixed() -> None:
    choice = traced("Chain", fixed=("f*",)).choice
    assert slots(choice) == [("second",), ("third",)]
    assert fixed(choice) == {("first",): "as `fixed` says"}


def test_layers_can_follow_another() -> None:
    choice = traced("Chain", follow={"third": "first"}).choice
    assert slots(choice) == [("first",), ("second",)]
    assert following(choice) == {("third",): 0}
    assert choice.free_widths((3, 5), 1.0)[choice.followers[0].width] == 12


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"fixed": ("secnd",)}, r"no convolution or linear layer is named 'secnd'; did you mean 'second'\?"),
        ({"slots": ("head",)}, "the filters of 'head' cannot be changed"),
        ({"slots": ("first",), "fixed": ("first",)}, "`slots` and `fixed` both name first"),
        ({"slots": ("*d",), "follow": {"third": "first"}}, "`slots` and `follow` both name third"),
        ({"follow": {"third": "first"}, "fixed": ("third",)}, "`follow` and `fixed` both name third"),
        ({"follow": {"third": "s*", "second": "first"}}, "`follow` names second, whose filters are not a slot"),
        ({"follow": {"third": "[fs]*"}}, r"`follow` must name one slot for 'third', but '\[fs\]\*' fits 2 widths"),
        ({"fixed": ("first", "second", "third")}, "it has no convolution whose filters could be changed"),
    ],
)
def test_overrides_that_make_no_sense_are_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        traced("Chain", **overrides)
    assert str(refused.value).startswith(f"{small_networks.__name__}:Chain: ")


def test_the_message_about_a_pattern_names_the_command_that_lists_the_layers() -> None:
    with pytest.raises(UsageError, match=r"`fdt-sweep templates --model \S+:Chain --explain` lists them"):
        traced("Chain", fixed=("x",))


def test_the_least_filters_replace_the_smallest_base_width() -> None:
    def widths(least: int | None) -> tuple[int, ...]:
        found = match(model("Chain", least=least), template("a"), image=IMAGE, width=1.0, budget=Budget(metric="macs"))
        return found.widths

    assert widths(None)[0] == 8
    assert widths(4)[0] == 4
    assert widths(12)[0] == 12
    assert widths(4)[2] > widths(None)[2] > widths(12)[2], "the budget is the same"


def test_filters_that_groups_rule_out_are_refused_when_stated_one_by_one() -> None:
    def matched(widths: list[int]) -> tuple[int, ...]:
        given = template({"name": "stated", "widths": widths})
        return match(model("Grouped"), given, image=IMAGE, width=1.0, budget=Budget()).widths

    assert matched([20, 12]) == (20, 12)
    with pytest.raises(UsageError, match=r"'stated' asks for 18 filters in slot 1 of .*; the nearest .* is 16"):
        matched([20, 18])
    with pytest.raises(UsageError, match=r"gives 3 widths, but .* has 2 slots"):
        matched([20, 12, 8])


@pytest.mark.parametrize("metric", ["macs", "params"])
def test_matched_filters_of_grouped_convolutions_are_multiples(metric: str) -> None:
    budget = Budget(metric=metric)  # type: ignore[arg-type]  # a parameter of the test
    found = match(model("Grouped"), template("b"), image=IMAGE, width=1.0, budget=budget)
    assert all(filters % 4 == 0 for filters in found.widths)
    assert found.cost == traced("Grouped").cost(found.widths, 1.0)
