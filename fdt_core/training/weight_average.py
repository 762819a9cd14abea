"""An exponential moving average of a network's weights: the averaged network is what is evaluated and kept.

Polyak and Juditsky, 'Acceleration of Stochastic Approximation by Averaging' (1992), in the exponential form that
Inception-v3 (Szegedy et al., 2016), EfficientNet and ConvNeXt are trained with.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of the weights of `network`, on its device.

    Floating-point buffers, such as the running statistics of BatchNorm, are averaged like the weights, as EfficientNet
    does: they then belong to the same span of training. Other buffers (BatchNorm's count of batches) are copied.

    The average of step t (from 1) decays by min(decay, (1 + t) / (10 + t)), as in TensorFlow's
    ExponentialMovingAverage. So short trainings do not average over their initial weights, and the decay is a function
    of the step: there is no state but the averages.

    Args:
        network: the network that trains.
        decay: the limit of the decay, above 0 and below 1.
        for_graph: whether a CUDA graph is to hold `update`: the decay is then on the device, as a float32, and what is
            computed may differ in the last bit.
    """

    def __init__(self, network: nn.Module, decay: float, *, for_graph: bool = False) -> None:
        self._decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._source = network
        self._weight: float | Tensor = 0.0
        if for_graph:
            self._weight = torch.zeros((), device=next(network.parameters()).device)

    def set(self, step: int) -> None:
        """What follows is `step`, counted from 1 at the start of the training."""
        weight = 1 - min(self._decay, (1 + step) / (10 + step))
        if isinstance(self._weight, Tensor):
            self._weight.fill_(weight)
        else:
            self._weight = weight

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after the step that was set."""
        # Looked up each time: a network may replace its buffers while it runs.
        pairs = [pair for pair in self._pairs() if pair[0].is_floating_point()]
        averages, values = [average for average, _ in pairs], [value for _, value in pairs]
        if isinstance(self._weight, Tensor):
            changes = torch._foreach_sub(values, averages)
            torch._foreach_mul_(changes, self._weight)
            torch._foreach_add_(averages, changes)
        else:
            torch._foreach_lerp_(averages, values, self._weight)

    @torch.no_grad()
    def finish_pass(self) -> None:
        """Copy what is not averaged, after the last step of a pass over the training images."""
        for copied, value in self._pairs():
            if not copied.is_floating_point():
                copied.copy_(value)

    def _pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Each tensor of the average with that of the network."""
        return list(zip(_tensors(self.network), _tensors(self._source), strict=True))


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
