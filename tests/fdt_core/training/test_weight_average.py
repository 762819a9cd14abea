"""The moving average of the weights, and that it is what is evaluated, kept and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import fdt_core
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.learner import Learner
from fdt_core.training.weight_average import WeightAverage
from tests.fdt_core.trials import on_cpu, same_tensors, small_spec, train, weights


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def change(network: nn.Module) -> None:
    """Change all weights, and the statistics and counts of BatchNorm."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    network.train()(torch.randn(5, 1, 4, 4))


@pytest.mark.parametrize("for_graph", [False, True])
@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_weights_and_statistics_are_averaged_and_counts_copied(decay: float, for_graph: bool) -> None:
    network = small_network()
    average = WeightAverage(network, decay, for_graph=for_graph)
    expected = {name: value.double().clone() for name, value in network.state_dict().items()}
    for step in range(1, 30):
        change(network)
        average.set(step)
        average.update()
        kept = min(decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            expected[name] = kept * expected[name] + (1 - kept) * value.double()
    average.finish_pass()
    for name, value in average.network.state_dict().items():
        if name == "1.num_batches_tracked":
            assert int(value) == 29
        else:
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-5)


def test_the_average_neither_trains_nor_shares_memory_with_the_network() -> None:
    network = small_network()
    average = WeightAverage(network, 0.9)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    before = {name: value.clone() for name, value in average.network.state_dict().items()}
    change(network)
    assert same_tensors(dict(average.network.state_dict()), before)
    assert not average.network.training


def predictions(network: nn.Module) -> Tensor:
    with torch.no_grad():
        output: Tensor = network.eval()(torch.ones(2, 3, 32, 32))
    return output


def test_the_averaged_network_is_evaluated_and_the_other_one_trains() -> None:
    learner, plain = Learner(small_spec(ema=0.9), on_cpu()), Learner(small_spec(), on_cpu())
    for epoch in (1, 2):
        losses = [found.train(epoch, lambda part: None).losses() for found in (learner, plain)]
        assert losses[0] == losses[1]
    assert same_tensors(dict(learner.network.state_dict()), dict(plain.network.state_dict()))
    assert learner.evaluated_network is not learner.network
    assert plain.evaluated_network is plain.network
    (evaluated,) = learner.evaluate("test", lambda part: None).losses()
    (unaveraged,) = plain.evaluate("test", lambda part: None).losses()
    assert evaluated != unaveraged
    plain.network.load_state_dict(learner.evaluated_network.state_dict())
    assert plain.evaluate("test", lambda part: None).losses() == [evaluated]


@pytest.mark.parametrize("keep", ["final", "best"])
def test_the_kept_weights_are_the_averaged_ones(tmp_path: Path, keep: str) -> None:
    spec, checkpoints = small_spec(epochs=1, ema=0.9), TrialCheckpoints(tmp_path, keep=keep)  # type: ignore[arg-type]
    training = train(spec, checkpoints=checkpoints)
    loaded = fdt_core.load(checkpoints.directory / f"{keep}.pt")
    assert same_tensors(dict(loaded.state_dict()), weights(training))
    assert not same_tensors(weights(training), weights(train(small_spec(epochs=1))))
    assert torch.equal(predictions(loaded), predictions(training.network.to(memory_format=torch.contiguous_format)))


def test_a_weight_average_keeps_the_memory_layout_of_the_network() -> None:
    learner = Learner(small_spec(ema=0.9), on_cpu())
    layouts = [
        [
            parameter.is_contiguous(memory_format=torch.channels_last)
            for parameter in network.parameters()
            if parameter.ndim == 4
        ]
        for network in (learner.network, learner.evaluated_network)
    ]
    assert layouts[0] == layouts[1] == [True] * len(layouts[0])
