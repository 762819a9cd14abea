"""The cost of any network, counted per operation while it runs on one image on the meta device."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.cost import ACTIVATIONS, Cost, memory_mb

aten = torch.ops.aten

_NORMS = (
    aten.native_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_no_training,
    aten.native_layer_norm,
    aten.native_group_norm,
)
_ACTIVATION_NAMES = (*ACTIVATIONS, *(f"{name}_" for name in ACTIVATIONS), "_prelu_kernel")
_ACTIVATIONS = tuple(getattr(aten, name) for name in _ACTIVATION_NAMES if hasattr(aten, name))
_POOLS = (
    aten.max_pool2d_with_indices,
    aten.avg_pool2d,
    aten._adaptive_avg_pool2d,
    aten.adaptive_max_pool2d,
    aten.mean,
)
_SUMS = (aten.add, aten.add_)


def module_cost(network: nn.Module, image: ImageShape) -> Cost:
    """The cost of `network` for one image, as `Cost` defines it.

    For networks built from a layer plan the result equals that of `cost_of`. Every activation function counts like the
    paper's ReLU, and layer and group normalisation like its BatchNorm. Other operations that the paper's count does not
    cover, such as attention, count in `macs` if they are convolutions or matrix products, and not at all otherwise.

    Raises:
        UsageError: if the network does not accept a batch of such images.
    """
    meta_network = copy.deepcopy(network).to("meta").eval()
    counter = _Counter()
    try:
        with torch.no_grad(), counter:
            meta_network(torch.empty(1, image.channels, image.size, image.size, device="meta"))
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{type(network).__name__} does not accept a batch of images of {image.channels} x {image.size} x "
            f"{image.size}: {error}"
        ) from error
    params = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return Cost(
        params=params,
        macs=counter.macs,
        paper_flops=counter.macs + counter.other_flops,
        memory_mb=memory_mb(params, counter.activations),
        activations=counter.activations,
    )


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate this class
    """Adds up the costs of all operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.macs = self.other_flops = self.activations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._add(func.overloadpacket, args, result[0] if isinstance(result, tuple) else result)
        return result

    def _add(self, operation: Any, args: tuple[Any, ...], output: Any) -> None:
        if operation in _MACS:
            self.macs += _MACS[operation](args, output)
        elif operation in _NORMS:
            self.other_flops += 2 * output.numel()
        elif operation in _ACTIVATIONS:
            self.other_flops += output.numel()
        elif operation in _POOLS:
            self.other_flops += args[0].numel()
        elif operation not in _SUMS or output.ndim < 4:
            return
        self.activations += output.numel()


def _convolution_macs(args: tuple[Any, ...], output: Tensor) -> int:
    input_, weight, transposed = args[0], args[1], args[6]
    return int((input_ if transposed else output).numel() * math.prod(weight.shape[1:]))


def _product_macs(left: Tensor, right: Tensor) -> int:
    """The MACs of the product of [..., n, k] and [..., k, m]."""
    return left.numel() * right.shape[-1]


_MACS: dict[Any, Callable[[tuple[Any, ...], Tensor], int]] = {
    aten.convolution: _convolution_macs,
    aten.mm: lambda args, output: _product_macs(args[0], args[1]),
    aten.bmm: lambda args, output: _product_macs(args[0], args[1]),
    aten.addmm: lambda args, output: _product_macs(args[1], args[2]),
}
