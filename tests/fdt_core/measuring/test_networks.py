"""Which networks can be measured, and their rows of the table `profiles`."""

from __future__ import annotations

import math

import pytest
from torch import nn

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.errors import UsageError
from fdt_core.matching.budget import Budget
from fdt_core.matching.match import match
from fdt_core.measuring.networks import MeasuredNetwork, measurement_row, named_networks, referenced_module
from fdt_core.measuring.setting import MeasurementSetting
from fdt_core.networks.architectures import architecture
from fdt_core.results.columns import PROFILE_COLUMNS
from fdt_core.templates import template

DIGITS = dataset_info("digits")
MODULE = nn.Identity()


def build_identity() -> nn.Module:
    return nn.Identity()


def test_each_template_of_an_architecture_is_matched_to_the_default_budget() -> None:
    base, reverse = named_networks("vgg11", ["base", "c"], DIGITS, 0.125)
    expected = match(architecture("vgg11"), template("c"), image=DIGITS.image, width=0.125, budget=Budget())
    assert base.widths == architecture("vgg11").scaled_widths(0.125)
    assert (reverse.template, reverse.widths, reverse.cost) == ("c", expected.widths, expected.cost)


def test_a_torch_module_is_one_network_without_template_and_cost() -> None:
    expected = MeasuredNetwork(model="torch.nn:Identity", image=DIGITS.image, dataset="digits")
    assert named_networks("torch.nn:Identity", ["base", "c"], DIGITS, 0.125) == (expected,)
    assert isinstance(expected.build(), nn.Identity)


@pytest.mark.parametrize("attribute", ["MODULE", "build_identity"])
def test_a_reference_names_a_module_or_what_returns_one(attribute: str) -> None:
    assert isinstance(referenced_module(f"{__name__}:{attribute}"), nn.Identity)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("torch.nn:NoSuchLayer", "has no 'NoSuchLayer'"),
        ("torch:float32", "not a torch.nn.Module"),
        ("torch.nn:Conv2d", "cannot be called without arguments"),
        ("builtins:dict", "gives a dict"),
    ],
)
def test_a_reference_to_something_else_is_rejected(reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        referenced_module(reference)


@pytest.mark.trainer
def test_a_row_fills_every_column_of_the_table_but_the_sweep() -> None:
    (network,) = named_networks("vgg11", ["base"], DIGITS, 0.125)
    row = measurement_row(network, MeasurementSetting(device="cpu", threads=1))
    assert {"sweep", *row} == {column.name for column in PROFILE_COLUMNS}
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
