"""Compare convolutions on the CPU with float64, in a separate process, which a wrong kernel may crash.

    python -m tests.fdt_core.networks.convolution_check known
    python -m tests.fdt_core.networks.convolution_check SEED COUNT

Prints each convolution and what is wrong with it, or `right`. With glibc's MALLOC_CHECK_ and MALLOC_PERTURB_
(mallopt(3)), out-of-bounds writes end the process, and uninitialised memory holds huge numbers.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from fdt_core.compute.numerics import Precision, autocast
from fdt_core.networks.build import build_model
from fdt_core.networks.convolution import Convolution
from fdt_core.networks.layers import Conv, Shape

Convolve = Callable[[Tensor, Tensor], Tensor]
"""The convolution of pixels with a weight."""
CPU = torch.device("cpu")
TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "bf16": 3e-2}
"""The largest difference allowed, relative to the largest value."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One convolution: as in a plan, or with `depthwise` one filter per channel."""

    inputs: int
    filters: int
    kernel: int
    stride: int
    size: int
    batch: int = 8
    precision: Precision = "fp32"
    channels_last: bool = True
    depthwise: bool = False
    repeats: int = 3

    def module(self) -> nn.Conv2d:
        """The convolution as `build_model` builds it."""
        if self.depthwise:
            padding = self.kernel // 2
            return Convolution(
                self.inputs, self.inputs, self.kernel, self.stride, padding, groups=self.inputs, bias=False
            )
        shape = Shape(channels=self.inputs, size=self.size)
        layer = Conv(input=shape, filters=self.filters, kernel=self.kernel, stride=self.stride)
        module = next(build_model((layer,)).children())
        assert isinstance(module, nn.Conv2d)
        return module


KNOWN = (
    Case(inputs=4, filters=8, kernel=1, stride=2, size=32, repeats=300),
    *(Case(inputs=inputs, filters=16, kernel=1, stride=2, size=16, repeats=30) for inputs in range(1, 8)),
    Case(inputs=6, filters=21, kernel=1, stride=3, size=33),
    Case(inputs=3, filters=16, kernel=1, stride=3, size=2, precision="bf16", channels_last=False),
    Case(inputs=18, filters=15, kernel=3, stride=2, size=1, precision="bf16"),
    Case(inputs=36, filters=18, kernel=5, stride=3, size=2, precision="bf16", channels_last=False),
    Case(inputs=25, filters=25, kernel=3, stride=3, size=2, precision="bf16", depthwise=True),
)
"""Convolutions that gave wrong results or crashed on some processor."""


def sample(seed: int, count: int) -> Iterator[Case]:
    """Convolutions that plans can contain, the unusual ones over-represented."""
    draw = random.Random(seed)
    for _ in range(count):
        yield Case(
            inputs=draw.randint(1, 40),
            filters=draw.randint(1, 40),
            kernel=draw.choice((1, 1, 3, 3, 5, 7)),
            stride=draw.choice((1, 2, 2, 3)),
            size=draw.choice((1, 2, 3, 4, 5, 7, 8, 14, 16, 28, 32)),
            batch=draw.choice((1, 2, 8, 32)),
            precision=draw.choice(("fp32", "bf16")),
            channels_last=draw.random() < 0.75,
            depthwise=draw.random() < 0.15,
        )


def faults(case: Case) -> list[str]:
    """Which of the output and the gradients differ from float64 in contiguous layout, and by how much."""
    module, generator = case.module(), torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).bfloat16().double()  # exact in every precision

    def right(pixels: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(pixels, weight, stride=case.stride, padding=case.kernel // 2, groups=module.groups)

    def ours(pixels: Tensor, weight: Tensor) -> Tensor:
        with autocast(case.precision, CPU):
            output: Tensor = functional_call(module, {"weight": weight}, (pixels,))
            return output

    pixels, weight = normal(case.batch, case.inputs, case.size, case.size), normal(*module.weight.shape)
    gradient = normal(*right(pixels, weight).shape)
    expected = results(right, pixels, weight, gradient)
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    found = []
    for _ in range(case.repeats):
        tensors = [tensor.float().to(memory_format=layout) for tensor in (pixels, weight, gradient)]
        for name, value in results(ours, *tensors).items():
            difference = (value.double() - expected[name]).abs().max() / (expected[name].abs().max() + 1e-3)
            if not difference <= TOLERANCES[case.precision]:  # true for NaN as well
                found.append(f"{name} by {difference:.2g}")
    return found


def results(convolve: Convolve, pixels: Tensor, weight: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """The output and gradients of `convolve`, given the gradient of the output."""
    pixels, weight = pixels.clone().requires_grad_(), weight.clone().requires_grad_()
    output = convolve(pixels, weight)
    torch.autograd.backward(output, gradient.to(output.dtype))
    assert pixels.grad is not None
    assert weight.grad is not None
    return {"output": output.detach(), "input gradient": pixels.grad, "weight gradient": weight.grad}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in KNOWN if sys.argv[1] == "known" else sample(*map(int, sys.argv[1:])):
        print(case, end=": ", flush=True)  # before it runs, as it may crash the process
        print(", ".join(faults(case)) or "right", flush=True)
