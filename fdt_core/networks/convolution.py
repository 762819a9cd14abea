"""Convolutions that avoid CPU kernels with wrong results.

On the CPU, torch computes convolutions with oneDNN, and some kernels of oneDNN 3.12 (torch 2.14) are wrong. Thousands
of random convolutions, with guard pages around every tensor and new memory filled with NaN, showed two faults:

- The weight gradient of a strided 1x1 convolution with fewer than 8 input channels is written out of bounds: float32,
  channels last, on processors without AVX-512. Training crashes, or another tensor is overwritten.
- The weight gradient of a convolution whose stride exceeds the size of its maps is left uninitialised, instead of 0, at
  the taps that only see padding: bfloat16, on processors with AVX-512. (With 1x1 kernels it may also crash.)

Neither changes the shape of a result, and a quick test seldom shows wrong values. So the workaround does not depend on
the processor, the precision, the layout or the number of channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Convolution(nn.Conv2d):
    """`nn.Conv2d` that rewrites its strides on the CPU so that correct kernels compute the same sums."""

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of `input`, [B, C, H, W] or [C, H, W]."""
        if input.device.type != "cpu" or self.stride == (1, 1):
            return super().forward(input)
        if self.kernel_size == (1, 1) and self.padding in ((0, 0), "valid"):
            rows, columns = self.stride
            return F.conv2d(input[..., ::rows, ::columns], self.weight, self.bias, groups=self.groups)
        if self.padding_mode != "zeros" or isinstance(self.padding, str):
            return super().forward(input)
        stride = self._stride_within(input.shape[-2:], self.padding)
        return F.conv2d(input, self.weight, self.bias, stride, self.padding, self.dilation, self.groups)

    def _stride_within(self, size: tuple[int, ...], padding: tuple[int, ...]) -> tuple[int, ...]:
        """The stride, at most the number of kernel positions: a longer stride gives the same result."""
        geometry = zip(size, padding, self.dilation, self.kernel_size, strict=True)
        positions = [extent + 2 * border - gap * (kernel - 1) for extent, border, gap, kernel in geometry]
        return tuple(min(stride, max(1, count)) for stride, count in zip(self.stride, positions, strict=True))


def use_right_kernels(network: nn.Module) -> nn.Module:
    """Turn each `nn.Conv2d` of a network that `build_model` did not build into a `Convolution`, in place.

    Parameters, their names and hooks are kept; subclasses of `nn.Conv2d` are left alone.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d:
            module.__class__ = Convolution
    return network
