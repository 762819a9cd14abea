"""Batches that a second stream prepares are those that are made in turn, and no stream overtakes another."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fdt_core.training.batches import Batch, SecondStream
from fdt_core.training.learner import Learner
from tests.fdt_core.training.imagined_cuda import ImaginedCuda, ImaginedEvent, ImaginedStream, RaceDetector
from tests.fdt_core.trials import MODERN, on_cpu, same_tensors, small_spec

RECIPES: dict[str, dict[str, Any]] = {"plain": {}, "modern": MODERN, "contiguous": {"channels_last": False, "mixup": 1}}


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> ImaginedCuda:
    return ImaginedCuda(monkeypatch)


def beside(**recipe: Any) -> Learner:
    """A learner on the CPU whose batches an imagined second stream makes."""
    learner = Learner(small_spec(**recipe), on_cpu())
    learner._preparation = SecondStream(torch.device("cpu"))
    return learner


def trained(learner: Learner, epochs: int = 3) -> list[float]:
    return [loss for epoch in range(1, epochs + 1) for loss in learner.train(epoch, lambda part: None).losses()]


@pytest.mark.parametrize("name", RECIPES)
def test_a_second_stream_changes_no_bit_and_nothing_overtakes(name: str, cuda: ImaginedCuda) -> None:
    learner, in_turn = beside(**RECIPES[name]), Learner(small_spec(**RECIPES[name]), on_cpu())
    with RaceDetector(cuda) as detector:
        losses = trained(learner)
    assert detector.races == []
    assert losses == trained(in_turn)
    assert same_tensors(learner.network.state_dict(), in_turn.network.state_dict())


@pytest.mark.parametrize("waits", ["the step", "the preparation"])
def test_a_stream_that_does_not_wait_is_found(waits: str, cuda: ImaginedCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, learner = ImaginedStream.wait_event, beside()

    def careless(stream: ImaginedStream, event: ImaginedEvent) -> None:
        if (stream is cuda.default) != (waits == "the step"):
            wait(stream, event)

    monkeypatch.setattr(ImaginedStream, "wait_event", careless)
    with RaceDetector(cuda) as detector:
        trained(learner, epochs=1)
    assert detector.races


def test_the_second_stream_uses_the_same_memory_for_every_other_batch(cuda: ImaginedCuda) -> None:
    learner = beside(mixup=1.0)
    made: list[Batch] = []
    prepare = learner._preparation.make
    learner._preparation.make = lambda *given: made.append(prepare(*given)) or made[-1]  # type: ignore[func-returns-value,method-assign]
    trained(learner)
    assert len(made) == 15
    assert [len(batch.labels) for batch in made[:5]] == [32, 32, 32, 32, 22]
    addresses = [[tensor.data_ptr() for tensor in batch._tensors()] for batch in made]
    assert addresses == [addresses[0], addresses[1]] * 7 + [addresses[0]]
    assert not set(addresses[0]) & set(addresses[1])


def mixed(labels: list[int], partners: list[int], weight: float) -> Batch:
    pixels = torch.zeros(len(labels), 1, 1, 1)
    return Batch(
        pixels=pixels, labels=torch.tensor(labels), partners=torch.tensor(partners), weight=torch.tensor([weight])
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_mixed_images_is_the_cross_entropy_with_mixed_labels(smoothing: float) -> None:
    batch, logits = mixed([0, 1, 2, 3, 3], [3, 3, 0, 2, 1], 0.3), torch.randn(5, 10)
    assert batch.partners is not None
    targets = 0.3 * F.one_hot(batch.labels, 10) + 0.7 * F.one_hot(batch.partners, 10)
    loss = batch.loss(logits, smoothing)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(float(F.cross_entropy(logits, targets, label_smoothing=smoothing)), rel=1e-5)


@pytest.mark.parametrize(("weight", "counted"), [(0.3, [4, 5]), (0.5, [1, 2]), (0.9, [1, 2])])
def test_accuracy_is_counted_against_the_label_with_the_larger_weight(weight: float, counted: list[int]) -> None:
    assert mixed([1, 2], [4, 5], weight).heavier().tolist() == counted


def test_buffers_take_a_batch_or_a_smaller_one_in_its_memory_layout() -> None:
    pixels = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    batch = Batch(pixels=pixels, labels=torch.arange(4))
    buffers = batch.buffers()
    whole = buffers.filled_with(batch)
    assert _equal(whole.pixels, pixels)
    smaller = buffers.filled_with(Batch(pixels=-pixels[:3], labels=torch.tensor([9, 8, 7])))
    assert smaller.pixels.is_contiguous(memory_format=torch.channels_last)
    assert _equal(smaller.pixels, -pixels[:3])
    assert smaller.labels.tolist() == [9, 8, 7]
    assert smaller.pixels.data_ptr() == whole.pixels.data_ptr()
    assert (smaller.partners, smaller.weight) == (None, None)


def _equal(first: Tensor, second: Tensor) -> bool:
    return torch.equal(first, second)
