"""An exponential moving average of a network's weights: the averaged network is what is evaluated and kept.

Polyak and Juditsky, 'Acceleration of Stochastic Approximation by Averaging' (1992), in the exponential form that
Inception-v3 (Szegedy et al., 2016), EfficientNet and ConvNeXt are trained with.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


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
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        self._averages = [average for average, _ in pairs if average.is_floating_point()]
        self._values = [value for _, value in pairs if value.is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    def update(self, step: int) -> None:
        """Take in the weights after `step`, counted from 1 at the start of the training."""
        decay = min(self._decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._averages, self._values, step)  # type: ignore[no-untyped-call]  # torch lacks its type

    @torch.no_grad()
    def finish_pass(self) -> None:
        """Copy what is not averaged, after the last step of a pass over the training images."""
        for copied, value in self._copied:
            copied.copy_(value)


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
