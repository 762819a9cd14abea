"""Networks of timm and torchvision, traced and rebuilt: their costs by formula against independent counters.

A fixed tenth of 130 networks runs in `make test`, all of them in `make test-all`.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.matching.match import Budget, match
from fdt_core.model_definition import ModelDefinition
from fdt_core.networks.module_cost import module_cost
from fdt_core.templates import template
from fdt_core.tracing.traced_network import TracedNetwork, traced_network
from tests.fdt_core.tracing.library_networks import (
    NETWORKS,
    REFUSED,
    LibraryNetwork,
    accepted,
    counted,
    noise,
    random_filters,
    tenth,
)

NARROW = 0.25
"""Multiplier of the filters outside the slots where a network trains: the step is to be quick."""


def test_the_list_holds_130_networks() -> None:
    assert len(NETWORKS) == 130
    assert {name for name, network in NETWORKS.items() if not network.slots} == {*REFUSED}


@pytest.mark.parametrize("network", accepted())
def test_it_is_rebuilt_at_base_matched_and_random_widths_with_the_costs_that_torch_counts(
    network: LibraryNetwork,
) -> None:
    traced = network.traced
    base = traced.choice.base_filters(1.0)
    assert len(base) == network.slots
    cost = traced.cost(base, 1.0)
    assert (cost.macs, cost.params) == (network.macs, network.params)

    matched = match(network.model, template("d"), image=network.image, width=1.0, budget=Budget(metric="macs"))
    assert matched.target == network.macs
    assert matched.n is not None
    family = network.model.family(image=network.image, width=1.0)
    for n in (matched.n - 1, matched.n + 1):
        other = family.cost_of(family.reachable(template("d").widths(base, n)))
        assert abs(other.macs - network.macs) >= abs(matched.cost.macs - network.macs), "the nearest n is chosen"
    for filters in (base, matched.widths, random_filters(base, (0.3, 1.7))):
        predicted = traced.cost(filters, 1.0)
        built = traced.build(filters, 1.0, seed=0, device="meta")
        assert counted(built, network.image) == (predicted.macs, predicted.params)

    _require_a_step(traced)


def _require_a_step(traced: TracedNetwork) -> None:
    """Every parameter of a narrow network on the CPU gets a finite gradient."""
    narrow = random_filters(traced.choice.base_filters(1.0), (0.1, 0.25))
    built = traced.build(narrow, NARROW, seed=0)
    assert built.training
    logits = built(noise(traced.image))
    assert logits.shape == (2, traced.image.classes)
    torch.autograd.backward(F.cross_entropy(logits, torch.tensor([0, 1])))
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.oracle
def test_a_network_that_must_not_narrow_is_refused_with_the_module_and_an_override() -> None:
    with pytest.raises(UsageError) as refused:
        _ = NETWORKS["timm/rexnet_100"].traced
    message = str(refused.value)
    assert message.startswith("timm/rexnet_100 at other widths does not run on images of 3 x 64 x 64 in its module")
    assert message.endswith("an override `fixed: ['features.*.conv_pwl.conv']` may help")
    assert "\n" not in message


@pytest.mark.oracle
def test_the_override_that_a_refusal_suggests_helps() -> None:
    kept = ModelDefinition(name="timm/rexnet_100", fixed=("features.*.conv_pwl.conv",))
    assert len(traced_network(kept, ImageShape()).choice.slots) == 17


@pytest.mark.oracle
@pytest.mark.parametrize("network", tenth())
@pytest.mark.parametrize("width", [1.0, 0.5])
def test_fvcore_counts_the_same_convolutions_and_linear_layers(network: LibraryNetwork, width: float) -> None:
    from fvcore.nn import FlopCountAnalysis

    traced = network.traced
    filters = traced.choice.base_filters(width)
    built = traced.build(filters, width, seed=0).eval()
    analysis = FlopCountAnalysis(built, noise(network.image, 1)).unsupported_ops_warnings(False)
    by_operator = analysis.by_operator()
    assert by_operator["conv"] + by_operator["linear"] == traced.cost(filters, width).macs


@pytest.mark.oracle
@pytest.mark.parametrize("network", tenth())
@pytest.mark.parametrize("width", [1.0, 0.5])
def test_every_cost_is_that_counted_operation_by_operation(network: LibraryNetwork, width: float) -> None:
    traced = network.traced
    filters = traced.choice.base_filters(width)
    built: nn.Module = traced.build(filters, width, seed=0, device="meta")
    assert module_cost(built, network.image) == traced.cost(filters, width)
