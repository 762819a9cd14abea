"""A graph of a training step trains as the step does: all that differs between two steps is in memory that it reads."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fdt_core.errors import UsageError
from fdt_core.training import learner as learner_module
from fdt_core.training.batches import SecondStream
from fdt_core.training.cuda_graph import WARM_UP_STEPS, GraphedStep
from fdt_core.training.learner import Learner
from fdt_core.training.step import TrainingStep
from fdt_core.trial.spec import TrialSpec
from tests.fdt_core.training.imagined_cuda import ImaginedCuda, RaceDetector, imagined_capture
from tests.fdt_core.trials import MODERN, on_cpu, same_tensors, small_spec

RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "clipping": {"gradient_clip": 1.0, "label_smoothing": 0.1, "nesterov": True, "channels_last": False},
    "bf16": {"precision": "bf16"},
    "one_cycle": {"schedule": "one_cycle", "mixup": 0.4},
    "modern": MODERN,
}


class Capture:
    """An imagined capture that counts."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, function: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1
        replay = imagined_capture(function)

        def counted() -> None:
            self.replays += 1
            replay()

        return counted


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> ImaginedCuda:
    return ImaginedCuda(monkeypatch)


def for_graph(capture: Capture | None, **recipe: Any) -> Learner:
    """A learner on the CPU whose step is made for a graph, and with a `capture` held by an imagined one."""
    learner = Learner(small_spec(**recipe), on_cpu())
    learner._step = TrainingStep(learner.network, learner._recipe, learner._metrics, for_graph=True)
    learner._preparation = SecondStream(torch.device("cpu"))
    if capture:
        batch_size, device = learner._recipe.batch_size, torch.device("cpu")
        learner._graph = GraphedStep(learner._step, learner.network, batch_size, device, capture)
    return learner


def trained(learner: Learner, epochs: int = 3) -> list[float]:
    return [loss for epoch in range(1, epochs + 1) for loss in learner.train(epoch, lambda part: None).losses()]


@pytest.mark.parametrize("name", RECIPES)
def test_replays_train_as_the_step_that_was_captured(name: str, cuda: ImaginedCuda) -> None:
    capture = Capture()
    graphed, step = for_graph(capture, **RECIPES[name]), for_graph(None, **RECIPES[name])
    with RaceDetector(cuda) as detector:
        losses = trained(graphed)
    assert detector.races == []
    assert losses == trained(step)
    for first, second in ((graphed.network, step.network), (graphed.evaluated_network, step.evaluated_network)):
        assert same_tensors(first.state_dict(), second.state_dict())
    full_batches = 3 * (150 // 32)
    assert (capture.captures, capture.replays) == (1, full_batches - WARM_UP_STEPS)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_for_a_graph_computes_what_the_plain_step_does(name: str, cuda: ImaginedCuda) -> None:
    plain = Learner(small_spec(**RECIPES[name]), on_cpu())
    # Rounding the learning rate to float32 and averaging in another order change the last bits, which grow.
    assert trained(for_graph(None, **RECIPES[name]), 1) == pytest.approx(trained(plain, 1), rel=1e-4)


def test_with_rates_that_float32_holds_a_step_for_a_graph_gives_the_bits_of_the_plain_step(cuda: ImaginedCuda) -> None:
    recipe: dict[str, Any] = {"learning_rate": 0.0625, "milestones": [1, 2], "gamma": 0.5, "gradient_clip": 1.0}
    plain, graphed = Learner(small_spec(**recipe), on_cpu()), for_graph(Capture(), **recipe)
    assert trained(graphed) == trained(plain)
    assert same_tensors(graphed.network.state_dict(), plain.network.state_dict())


def test_a_step_for_a_graph_continues_from_a_state_as_if_undisturbed(cuda: ImaginedCuda) -> None:
    undisturbed, first, second = (for_graph(Capture(), **MODERN) for _ in range(3))
    expected = trained(undisturbed)
    assert trained(first, 1) == expected[:5]
    second.restore(copy.deepcopy(first.state()))
    assert [loss for epoch in (2, 3) for loss in second.train(epoch, lambda part: None).losses()] == expected[5:]


def test_a_recipe_with_a_graph_trains_on_the_cpu_as_one_without() -> None:
    plain, graph = (Learner(small_spec(cuda_graph=cuda_graph), on_cpu()) for cuda_graph in (False, True))
    assert trained(plain, 1) == trained(graph, 1)
    assert graph._graph is None


class Unsteady(nn.Module):
    """A network whose forward pass also does something that a graph cannot do again."""

    def __init__(self, act: Callable[[Unsteady], object]) -> None:
        super().__init__()
        self.act = act
        self.out = nn.Linear(3, 10)
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, pixels: Tensor) -> Tensor:
        output: Tensor = self.out(pixels.mean((2, 3)))
        self.act(self)
        return output


def replace_buffer(network: Unsteady) -> None:
    network.seen = network.seen + 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda network: random.random(), "draws from Python's random numbers, which a graph would do only once"),
        (lambda network: np.random.rand(), "draws from NumPy's random numbers"),
        (lambda network: torch.rand(()), "draws random numbers on the CPU"),
        (replace_buffer, "replaces buffers"),
    ],
)
def test_a_network_that_a_graph_would_freeze_is_refused(
    act: Callable[[Unsteady], object], message: str, cuda: ImaginedCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_module, "initial_network", lambda spec: Unsteady(act))
    with pytest.raises(UsageError, match=message):
        trained(for_graph(Capture()), 1)


def test_what_a_capture_forbids_is_named(cuda: ImaginedCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidding(function: Callable[[], None]) -> Callable[[], None]:
        try:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with `TORCH_USE`")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    with pytest.raises(UsageError) as caught:
        trained(for_graph(forbidding), 1)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "recipe.cuda_graph: the training step of this network cannot be a CUDA graph: "
        "CUDA error: operation not permitted when stream is capturing"
    )


def test_a_network_that_draws_nothing_on_the_host_is_accepted(
    cuda: ImaginedCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(spec: TrialSpec) -> nn.Module:
        return Unsteady(lambda network: network.seen.add_(1))

    monkeypatch.setattr(learner_module, "initial_network", built)
    learner = for_graph(Capture())
    trained(learner, 2)
    assert float(learner.network.get_buffer("seen")) == 2 * 5
