"""One step of training: forward, loss, backward, optimiser, weight average and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fdt_core.compute.numerics import autocast
from fdt_core.training.batch_metrics import BatchMetrics
from fdt_core.training.batches import Batch
from fdt_core.training.initialisation import build_optimiser
from fdt_core.training.weight_average import WeightAverage
from fdt_core.trial.recipe import Recipe


class TrainingStep:
    """Trains a network on one batch after the other.

    Two steps on whole batches differ in what is in the batch, and in what `set` sets. `for_graph` keeps the latter on
    the device, too. Then each step is the same sequence of operations, on the same memory if the batch is in the same
    place, and a CUDA graph can hold it. The learning rate is rounded to float32, which torch's kernels demand.

    Args:
        network: on its device.
        recipe: the recipe.
        metrics: where the losses and the accuracies of a pass are recorded.
        for_graph: whether a CUDA graph is to hold the step.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, metrics: BatchMetrics, *, for_graph: bool) -> None:
        self._network, self._recipe, self._metrics = network, recipe, metrics
        self._device = next(network.parameters()).device
        self._forward_full_batch = compiled(network) if recipe.compile else network
        self.average = WeightAverage(network, recipe.ema, for_graph=for_graph) if recipe.ema else None
        self.optimiser = build_optimiser(network, recipe, for_graph=for_graph)
        self._rate = torch.zeros((), device=self._device) if for_graph else None
        self._use_rate(self._rate)

    def load_optimiser(self, state: dict[str, Any]) -> None:
        """Continue from a state of the optimiser; its learning rate does not matter, because every step sets it."""
        self.optimiser.load_state_dict(state)
        self._use_rate(self._rate)

    def set(self, step: int, rate: float) -> None:
        """Before step number `step` of the training (the first is 1): set its learning rate and averaging."""
        if self._rate is None:
            self._use_rate(rate)
        else:
            self._rate.fill_(rate)
        if self.average:
            self.average.set(step)

    def __call__(self, batch: Batch) -> None:
        """Train on `batch`."""
        recipe = self._recipe
        forward = self._forward_full_batch if len(batch.labels) == recipe.batch_size else self._network
        with autocast(recipe.precision, self._device):
            logits = forward(batch.pixels)
        loss = batch.loss(logits.float(), recipe.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if recipe.gradient_clip:
            nn.utils.clip_grad_norm_(self._network.parameters(), recipe.gradient_clip)
        self.optimiser.step()
        self._metrics.record(loss.detach(), logits.detach(), batch.heavier())
        if self.average:
            self.average.update()

    def _use_rate(self, rate: float | Tensor | None) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = group["lr"] if rate is None else rate


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
