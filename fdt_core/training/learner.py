"""The training and evaluation passes of one network; they never wait for the device."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fdt_core.compute.numerics import apply_numerics, autocast
from fdt_core.training.augmentation.normalisation import Normalisation
from fdt_core.training.augmentation.pipeline import Augmentation
from fdt_core.training.batch_metrics import BatchMetrics
from fdt_core.training.batches import EpochBatches, laid_out, preparation
from fdt_core.training.cuda_graph import GraphedStep
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.initialisation import initial_network
from fdt_core.training.learning_rate_schedule import learning_rate
from fdt_core.training.random_streams import generator, stream_seed
from fdt_core.training.step import TrainingStep
from fdt_core.trial.recipe import held_out_images
from fdt_core.trial.spec import TrialSpec

EVALUATION_BATCH = 250
"""Images per evaluation batch. Not configurable, because it affects the last bits of the losses."""

Evaluation = Literal["test", "validation"]
"""What to evaluate: the test images, or the held-out training images."""

BeforeBatch = Callable[[float], None]
"""Called before each batch with the fraction of the pass that is done (0 to 1); may raise to abandon the pass."""


class Learner:
    """The network, optimiser and input pipeline of one trial, on the device of its data.

    Args:
        spec: the trial.
        data: its data set.
    """

    def __init__(self, spec: TrialSpec, data: DeviceDataset) -> None:
        self._spec, self._recipe, self._data, self._device = spec, spec.recipe, data, data.device
        self._train_indices, self.validation_indices = hold_out(data.train_images, spec.recipe.validation, spec.seed)
        self._apply_numerics()
        memory_format = torch.channels_last if self._recipe.channels_last else torch.contiguous_format
        self.network: nn.Module = initial_network(spec).to(self._device, memory_format=memory_format)  # type: ignore[call-overload]
        self._metrics = BatchMetrics(self.training_images, self._recipe.batch_size, self._device)
        graph = self._recipe.cuda_graph and self._device.type == "cuda"
        self._step = TrainingStep(self.network, self._recipe, self._metrics, for_graph=graph)
        self._graph = GraphedStep(self._step, self.network, self._recipe.batch_size, self._device) if graph else None
        self._normalise = Normalisation(mean=data.mean, std=data.std, image_size=data.image_size, device=self._device)
        self._augment = Augmentation(self._recipe, self._normalise)
        # Like the graph, only with the user's consent, until a GPU has shown that no stream overtakes the other.
        self._preparation = preparation(self._device, ahead=graph)

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """The optimiser of the network."""
        return self._step.optimiser

    @property
    def training_images(self) -> int:
        """Number of images trained on: the training split without the held-out images."""
        return len(self._train_indices)

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and kept: the averaged one if the recipe averages the weights."""
        return self._step.average.network if self._step.average else self.network

    def learning_rate(self, epoch: int, batch: int = 0) -> float:
        """The learning rate of step `batch` (the first is 0) in `epoch` (the first is 1)."""
        return learning_rate(self._recipe, self._steps_before(epoch) + batch, self._steps_before(2))

    def train(self, epoch: int, before_batch: BeforeBatch) -> BatchMetrics:
        """One pass over the training images; the first `epoch` is 1. Its metrics are valid until the next one.

        The accuracy of mixed images is counted against the label with the larger weight.
        """
        count, step = self.training_images, self._graph or self._step
        self._metrics.restart()
        self._start_training_pass(epoch)
        with self._graph.training_pass() if self._graph else contextlib.nullcontext():
            batches = self._preparation.start(lambda: self._batches(epoch))
            for number, start in enumerate(self._metrics.starts):
                before_batch(start / count)
                batch = self._preparation.make(batches, number)
                self._step.set(self._steps_before(epoch) + number + 1, self.learning_rate(epoch, number))
                step(batch)
        if self._step.average:
            self._step.average.finish_pass()
        return self._metrics

    @torch.inference_mode()
    def evaluate(self, which: Evaluation, before_batch: BeforeBatch) -> BatchMetrics:
        """One pass over the test images or the held-out training images, without learning."""
        split = "test" if which == "test" else "train"
        indices = torch.arange(self._data.test_images) if which == "test" else self.validation_indices
        indices = indices.to(self._data.index_device)
        metrics = BatchMetrics(len(indices), EVALUATION_BATCH, self._device)
        network = self.evaluated_network.eval()
        for start in metrics.starts:
            before_batch(1.0)
            images, labels = self._data.gather(split, indices[start : start + EVALUATION_BATCH])
            with autocast(self._recipe.precision, self._device):
                logits = network(laid_out(self._normalise(images), self._recipe))
            metrics.record(F.cross_entropy(logits.float(), labels), logits, labels)
        return metrics

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, in place: it changes with the next step."""
        state = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        if self._step.average:
            state["average"] = self._step.average.network.state_dict()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a copy of a value that `state` returned."""
        self.network.load_state_dict(state["network"])
        self._step.load_optimiser(state["optimiser"])
        if self._step.average:
            self._step.average.network.load_state_dict(state["average"])

    def _batches(self, epoch: int) -> EpochBatches:
        return EpochBatches(
            self._recipe, self._data, self._augment, self._train_indices, seed=self._spec.seed, epoch=epoch
        )

    def _steps_before(self, epoch: int) -> int:
        """Training steps before `epoch`, the first of which is 1."""
        return (epoch - 1) * len(range(0, self.training_images, self._recipe.batch_size))

    def _start_training_pass(self, epoch: int) -> None:
        # Set them for every pass: another training in this process may have changed them since.
        self._apply_numerics()
        seed = stream_seed(self._spec.seed, epoch, "model")
        torch.manual_seed(seed)
        # A user's network may draw from these in its forward pass.
        random.seed(seed)
        np.random.seed(seed % 2**32)
        self.network.train()

    def _apply_numerics(self) -> None:
        apply_numerics(self._recipe.precision, threads=self._spec.threads, deterministic=self._recipe.deterministic)


def hold_out(images: int, part: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the training images to train on and of those held out for validation, both int64 and ascending.

    At least one image is held out if `part` is above 0. The choice depends only on the seed, so all models of a study
    with the same seed train on the same images.

    Raises:
        UsageError: if no image would be left to train on.
    """
    held = held_out_images(images, part)
    shuffled = torch.randperm(images, generator=generator(seed, 0, "validation_split"))
    return shuffled[held:].sort().values, shuffled[:held].sort().values


def evaluated_weights(state: dict[str, Any]) -> dict[str, Any]:
    """The weights of the network that is evaluated and kept, of a value that `Learner.state` returned."""
    weights: dict[str, Any] = state.get("average", state["network"])
    return weights
