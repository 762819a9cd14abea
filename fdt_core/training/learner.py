"""The training and evaluation passes of one network; they never wait for the device."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fdt_core.compute.numerics import apply_numerics, autocast
from fdt_core.training.augmentation.draws import draw_augmentation, draw_order
from fdt_core.training.augmentation.mixing import Mixing, draw_mixing
from fdt_core.training.augmentation.normalisation import Normalisation
from fdt_core.training.augmentation.pipeline import Augmentation
from fdt_core.training.batch_metrics import BatchMetrics
from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.training.initialisation import build_optimiser, initial_network
from fdt_core.training.learning_rate_schedule import learning_rate
from fdt_core.training.random_streams import generator, stream_seed
from fdt_core.training.weight_average import WeightAverage
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
        self._forward_full_batch = compiled(self.network) if self._recipe.compile else self.network
        self._average = WeightAverage(self.network, self._recipe.ema) if self._recipe.ema else None
        self.optimiser = build_optimiser(self.network, self._recipe)
        self._normalise = Normalisation(mean=data.mean, std=data.std, image_size=data.image_size, device=self._device)
        self._augment = Augmentation(self._recipe, self._normalise)

    @property
    def training_images(self) -> int:
        """Number of images trained on: the training split without the held-out images."""
        return len(self._train_indices)

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and kept: the averaged one if the recipe averages the weights."""
        return self._average.network if self._average else self.network

    def learning_rate(self, epoch: int, batch: int = 0) -> float:
        """The learning rate of step `batch` (the first is 0) in `epoch` (the first is 1)."""
        return learning_rate(self._recipe, self._steps_before(epoch) + batch, self._steps_before(2))

    def train(self, epoch: int, before_batch: BeforeBatch) -> BatchMetrics:
        """One pass over the training images; the first `epoch` is 1.

        The accuracy of mixed images is counted against the label with the larger weight.
        """
        count, batch_size = self.training_images, self._recipe.batch_size
        keys = {"images": count, "seed": self._spec.seed, "epoch": epoch}
        indices = self._train_indices[draw_order(**keys)].to(self._data.index_device)
        draws = draw_augmentation(self._recipe, image_size=self._data.image_size, **keys).to(self._device)
        mixing = draw_mixing(self._recipe, image_size=self._data.image_size, **keys)
        mixing = mixing and mixing.to(self._device)
        metrics = BatchMetrics(count, batch_size, self._device)
        self._start_training_pass(epoch)
        for batch, start in enumerate(metrics.starts):
            before_batch(start / count)
            images, labels = self._data.gather("train", indices[start : start + batch_size])
            pixels = self._augment(images, draws.batch(start, batch_size))
            mixed = mixing and mixing.batch(batch, start, batch_size)
            if mixed:
                pixels = mixed.pixels(pixels)
            loss, logits = self._step(self._laid_out(pixels), labels, mixed, self.learning_rate(epoch, batch))
            metrics.record(batch, loss, logits, mixed.heavier(labels) if mixed else labels)
            if self._average:
                self._average.update(self._steps_before(epoch) + batch + 1)
        if self._average:
            self._average.finish_pass()
        return metrics

    @torch.inference_mode()
    def evaluate(self, which: Evaluation, before_batch: BeforeBatch) -> BatchMetrics:
        """One pass over the test images or the held-out training images, without learning."""
        split = "test" if which == "test" else "train"
        indices = torch.arange(self._data.test_images) if which == "test" else self.validation_indices
        indices = indices.to(self._data.index_device)
        metrics = BatchMetrics(len(indices), EVALUATION_BATCH, self._device)
        network = self.evaluated_network.eval()
        for batch, start in enumerate(metrics.starts):
            before_batch(1.0)
            images, labels = self._data.gather(split, indices[start : start + EVALUATION_BATCH])
            with autocast(self._recipe.precision, self._device):
                logits = network(self._laid_out(self._normalise(images)))
            metrics.record(batch, F.cross_entropy(logits.float(), labels), logits, labels)
        return metrics

    def state(self) -> dict[str, Any]:
        """A copy on the CPU of everything that the next epoch depends on."""
        state = {"network": _copy(self.network.state_dict()), "optimiser": _copy(self.optimiser.state_dict())}
        if self._average:
            state["average"] = _copy(self._average.network.state_dict())
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a value that `state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self._average:
            self._average.network.load_state_dict(state["average"])

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

    def _laid_out(self, pixels: Tensor) -> Tensor:
        """`pixels`, which are channels last in memory, in the memory layout of the recipe."""
        return pixels if self._recipe.channels_last else pixels.contiguous()

    def _step(self, pixels: Tensor, labels: Tensor, mixed: Mixing | None, rate: float) -> tuple[Tensor, Tensor]:
        """One step of training on pixels [B, C, H, W], whose labels are weighted as `mixed` says.

        Returns the mean loss and the logits [B, classes], both detached.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        forward = self._forward_full_batch if len(pixels) == self._recipe.batch_size else self.network
        with autocast(self._recipe.precision, self._device):
            logits = forward(pixels)
        cross_entropy = mixed.loss if mixed else F.cross_entropy
        loss = cross_entropy(logits.float(), labels, label_smoothing=self._recipe.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if self._recipe.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._recipe.gradient_clip)
        self.optimiser.step()
        return loss.detach(), logits.detach()


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


def compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compile `network` for inputs of one shape, in one mode, at the start of a trial.

    torch counts the compilations of each function per process, and at its limit silently runs the function without
    compiling it. All networks share such functions, so after a few trials torch no longer compiled anything. So
    each trial resets the compiler, and a network that cannot be compiled as a whole, or is compiled too often, raises
    an error (`fullgraph`).
    """
    torch.compiler.reset()
    forward: Callable[[Tensor], Tensor] = torch.compile(network, fullgraph=True, dynamic=False)
    return forward


def evaluated_weights(state: dict[str, Any]) -> dict[str, Any]:
    """The weights of the network that is evaluated and kept, of a value that `Learner.state` returned."""
    weights: dict[str, Any] = state.get("average", state["network"])
    return weights


def _copy(state: Any) -> Any:
    """A copy of `state` with all tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copy(value) for key, value in state.items()}
    if isinstance(state, list):
        return [_copy(value) for value in state]
    return state
