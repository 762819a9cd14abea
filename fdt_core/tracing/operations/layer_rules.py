"""Rules for what computes: convolutions, linear layers, products, normalisation, pooling and elementwise operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fdt_core.networks.cost import ACTIVATIONS
from fdt_core.tracing.operations.call import Call, OperationKind, Rule, held_shapes
from fdt_core.tracing.symbolic.sizes import shape_of, sizes_of
from fdt_core.tracing.symbolic.widths import is_symbolic

_SUMS = frozenset(("add", "radd", "iadd"))


def _convolution(call: Call) -> list[list[int]]:
    inputs, weight = call.input_sizes(), sizes_of(call.argument(1, "weight"))
    bias, groups = call.argument(2, "bias"), call.argument(6, "groups", 1)
    channel = len(inputs) - len(weight) + 1
    call.tie(inputs[channel], weight[1] * groups)
    if bias is not None:
        call.tie(sizes_of(bias)[0], weight[0])
    if is_symbolic(groups):
        call.tie(weight[0], groups * (int(weight[0]) // int(groups)))
    shape = call.output_shape()
    outputs = [*inputs[:channel], weight[0], *_kept(inputs[channel + 1 :], shape[channel + 1 :])]
    call.add(
        OperationKind.LAYER,
        inputs,
        outputs,
        macs=(*outputs, *weight[1:]),
        reads=inputs[channel],
        writes=weight[0],
        convolution=True,
        depthwise=is_symbolic(groups) or (int(groups) > 1 and int(weight[1]) == 1),
    )
    return [outputs]


def _transposed_convolution(call: Call) -> list[list[int]]:
    """Its weight is [inputs, outputs per group, height, width], and each input element meets all of a filter."""
    inputs, weight = call.input_sizes(), sizes_of(call.argument(1, "weight"))
    bias, groups = call.argument(2, "bias"), call.argument(6, "groups", 1)
    channel = len(inputs) - len(weight) + 1
    call.tie(inputs[channel], weight[0])
    filters = weight[1] * groups
    if bias is not None:
        call.tie(sizes_of(bias)[0], filters)
    outputs = [*inputs[:channel], filters, *call.output_shape()[channel + 1 :]]
    call.add(
        OperationKind.LAYER,
        inputs,
        outputs,
        macs=(*inputs, *weight[1:]),
        reads=inputs[channel],
        writes=filters,
        convolution=True,
        depthwise=is_symbolic(groups) or (int(groups) > 1 and int(weight[1]) == 1),
    )
    return [outputs]


def _linear(call: Call) -> list[list[int]]:
    inputs, weight, bias = call.input_sizes(), sizes_of(call.argument(1, "weight")), call.argument(2, "bias")
    call.tie(inputs[-1], weight[-1])
    if bias is not None:
        call.tie(sizes_of(bias)[0], weight[0])
    outputs = [*inputs[:-1], weight[0]]
    facts = {"reads": inputs[-1], "writes": weight[0]}
    call.add(OperationKind.LAYER, inputs, outputs, macs=(*outputs, weight[-1]), **facts)
    return [outputs]


def _product(call: Call) -> Any:
    left, right = (list(sizes_of(tensor)) for tensor in call.inputs[:2])
    if min(len(left), len(right)) < 2:
        return held_shapes(call)
    call.tie(left[-1], right[-2])
    leading = left[:-2] if len(left) >= len(right) else right[:-2]
    outputs = [*leading, left[-2], right[-1]]
    call.add(OperationKind.PRODUCT, left, outputs, macs=(*outputs, left[-1]))
    return [outputs]


def _attention(call: Call) -> list[list[int]]:
    query, key, value = (list(sizes_of(call.argument(index, ""))) for index in range(3))
    call.tie(query[-1], key[-1])
    call.tie(key[-2], value[-2])
    weights = [*query[:-1], key[-2]]
    outputs = [*query[:-1], value[-1]]
    call.add(OperationKind.PRODUCT, query, weights, macs=(*weights, query[-1]))
    call.add(OperationKind.PRODUCT, weights, outputs, macs=(*outputs, key[-2]))
    return [outputs]


def _channel_norm(call: Call) -> list[list[int]]:
    """Batch and instance normalisation: every vector argument has one value per channel."""
    sizes = call.input_sizes()
    for tensor in call.inputs[1:]:
        call.tie(sizes[1], sizes_of(tensor)[0])
    return _normalised(call, sizes)


def _trailing_norm(call: Call) -> list[list[int]]:
    """Layer and RMS normalisation, over the last dimensions."""
    sizes, normalised = call.input_sizes(), call.argument(1, "normalized_shape")
    for shape in (tuple(normalised), *(sizes_of(tensor) for tensor in call.inputs[1:])):
        for one, other in zip(sizes[-len(shape) :], shape, strict=True):
            call.tie(one, other)
    return _normalised(call, sizes)


def _group_norm(call: Call) -> list[list[int]]:
    sizes, groups = call.input_sizes(), call.argument(1, "num_groups")
    for tensor in call.inputs[1:]:
        call.tie(sizes[1], sizes_of(tensor)[0])
    if is_symbolic(sizes[1]):
        sizes[1] // groups  # makes the channels a multiple of the groups
    return _normalised(call, sizes)


def _normalised(call: Call, sizes: list[int]) -> list[list[int]]:
    if call.of_image:
        call.add(OperationKind.NORM, sizes, sizes)
    return [sizes]


def _prelu(call: Call) -> list[list[int]]:
    """An activation with one learned slope, or one per channel."""
    sizes, slopes = call.input_sizes(), sizes_of(call.argument(1, "weight"))
    if int(slopes[0]) != 1:
        call.tie(sizes[1], slopes[0])
    if call.of_image:
        call.add(OperationKind.ACTIVATION, sizes, sizes)
    return [sizes]


def spatial(call: Call) -> list[list[int]]:
    """Pooling and interpolation: all but the last two dimensions stay, and so do symbolic ones that did not change."""
    sizes = call.input_sizes()
    results = []
    for tensor in call.outputs:
        shape = shape_of(tensor)
        results.append([*sizes[: len(shape) - 2], *_kept(sizes[len(shape) - 2 :], shape[len(shape) - 2 :])])
    if "pool" in call.name and call.of_image:
        call.add(OperationKind.POOL, sizes, results[0])
    return results


def _kept(sizes: Any, shape: Any) -> list[int]:
    return [size if int(size) == extent else extent for size, extent in zip(sizes, shape, strict=True)]


def _reduction(call: Call) -> Any:
    sizes, dims = call.input_sizes(), call.argument(1, "dim")
    if isinstance(dims, Tensor):  # the elementwise maximum of two tensors
        return elementwise(call)
    if dims is None:
        return [shape_of(tensor) for tensor in call.outputs]
    reduced = {dim % len(sizes) for dim in ([dims] if isinstance(dims, int) else dims)}
    keeps = len(call.output_shape()) == len(sizes)
    result = [1 if dim in reduced else size for dim, size in enumerate(sizes) if keeps or dim not in reduced]
    if call.name == "mean" and call.of_image:
        call.add(OperationKind.POOL, sizes, result)
    return [result for _ in call.outputs]


def elementwise(call: Call) -> Any:
    """Operations whose inputs are broadcast to one shape: their symbolic sizes are equal wherever neither is 1."""
    shape = call.output_shape()
    result: list[int] = list(shape)
    operands = [sizes for tensor in call.inputs if (sizes := sizes_of(tensor))]
    if len(call.outputs) != 1 or any(not _fits(sizes, shape) for sizes in operands):
        return held_shapes(call)
    for sizes in operands:
        for dim in range(-len(sizes), 0):
            if int(sizes[dim]) != 1 and is_symbolic(sizes[dim]):
                if is_symbolic(result[dim]):
                    call.tie(sizes[dim], result[dim])
                result[dim] = sizes[dim]
    for sizes in operands:
        for dim in range(-len(sizes), 0):
            if int(sizes[dim]) != 1 and not is_symbolic(sizes[dim]):
                call.hold([result[dim]])
    if call.of_image and call.name in ACTIVATIONS:
        call.add(OperationKind.ACTIVATION, result, result)
    elif call.of_image and call.name in _SUMS and len(shape) > 3:
        call.add(OperationKind.SUM, result, result)
    return [result]


def _fits(sizes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a tensor of these sizes is broadcast to `shape`."""
    return len(sizes) <= len(shape) and all(
        int(size) in (1, extent) for size, extent in zip(reversed(sizes), reversed(shape), strict=False)
    )


def _each(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


LAYER_RULES: Mapping[str, Rule] = {
    **_each(_convolution, "conv1d conv2d conv3d"),
    **_each(_transposed_convolution, "conv_transpose1d conv_transpose2d conv_transpose3d"),
    **_each(_linear, "linear"),
    **_each(_product, "matmul bmm mm"),
    **_each(_attention, "scaled_dot_product_attention"),
    **_each(_channel_norm, "batch_norm instance_norm"),
    **_each(_trailing_norm, "layer_norm rms_norm"),
    **_each(_group_norm, "group_norm"),
    **_each(_prelu, "prelu"),
    **_each(spatial, "interpolate upsample"),
    **_each(_reduction, "mean sum amax amin var max min std var_mean std_mean logsumexp norm argmax prod all any"),
    **_each(held_shapes, "einsum unfold fold"),
}
