"""Rules for what rearranges values: views, joins, splits, slices and permutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from fdt_core.tracing.operations.call import Call, Rule, held_shapes
from fdt_core.tracing.symbolic.sizes import shape_of, sizes_of
from fdt_core.tracing.symbolic.widths import is_symbolic


def _pad(call: Call) -> list[list[int]]:
    sizes, padding = call.input_sizes(), call.argument(1, "pad")
    for index in range(len(padding) // 2):
        sizes[-1 - index] = sizes[-1 - index] + padding[2 * index] + padding[2 * index + 1]
    return [sizes]


def _cat(call: Call) -> Any:
    dim = call.argument(1, "dim", 0)
    parts = [list(sizes_of(tensor)) for tensor in call.inputs if shape_of(tensor) != (0,)]
    dim %= len(parts[0])
    for part in parts[1:]:
        for index, (one, other) in enumerate(zip(parts[0], part, strict=True)):
            if index != dim:
                call.tie(one, other)
    return [[*parts[0][:dim], sum(part[dim] for part in parts), *parts[0][dim + 1 :]]]


def _stack(call: Call) -> list[list[int]]:
    dim = call.argument(1, "dim", 0)
    first, *others = (list(sizes_of(tensor)) for tensor in call.inputs)
    for other in others:
        for one, another in zip(first, other, strict=True):
            call.tie(one, another)
    dim %= len(first) + 1
    return [[*first[:dim], len(others) + 1, *first[dim:]]]


def _chunk(call: Call) -> Any:
    sizes, dim = call.input_sizes(), call.argument(2, "dim", 0)
    dim %= len(sizes)
    if not is_symbolic(sizes[dim]):
        return [[*sizes[:dim], shape_of(tensor)[dim], *sizes[dim + 1 :]] for tensor in call.outputs]
    if int(sizes[dim]) % len(call.outputs):
        return held_shapes(call)
    part = sizes[dim] // len(call.outputs)
    return [[*sizes[:dim], part, *sizes[dim + 1 :]] for _ in call.outputs]


def _split(call: Call) -> Any:
    sizes, dim = call.input_sizes(), call.argument(2, "dim", 0)
    asked = call.argument(1, "split_size_or_sections", call.kwargs.get("split_size"))
    dim %= len(sizes)
    if isinstance(asked, int):
        whole, rest = divmod(int(sizes[dim]), int(asked))
        parts = [asked] * whole + ([sizes[dim] - asked * whole] if rest else [])
    else:
        parts = list(asked)
    call.tie(sum(parts), sizes[dim])
    return [[*sizes[:dim], part, *sizes[dim + 1 :]] for part in parts]


def _unbind(call: Call) -> list[list[int]]:
    sizes, dim = call.input_sizes(), call.argument(1, "dim", 0)
    dim %= len(sizes)
    call.hold([sizes[dim]])
    return [[*sizes[:dim], *sizes[dim + 1 :]] for _ in call.outputs]


def _permute(call: Call) -> list[list[int]]:
    sizes = call.input_sizes()
    return [[sizes[dim] for dim in call.integers(1, "dims")]]


def _transpose(call: Call) -> list[list[int]]:
    sizes, one, other = call.input_sizes(), call.argument(1, "dim0"), call.argument(2, "dim1")
    sizes[one], sizes[other] = sizes[other], sizes[one]
    return [sizes]


def _transpose_last(call: Call) -> list[list[int]]:
    sizes = call.input_sizes()
    return [[*sizes[:-2], *reversed(sizes[-2:])]]


def _unsqueeze(call: Call) -> list[list[int]]:
    sizes, dim = call.input_sizes(), call.argument(1, "dim")
    sizes.insert(dim % (len(sizes) + 1), 1)
    return [sizes]


def _squeeze(call: Call) -> list[list[int]]:
    sizes, dims = call.input_sizes(), call.argument(1, "dim")
    asked = range(len(sizes)) if dims is None else [dims] if isinstance(dims, int) else dims
    dropped = {dim % len(sizes) for dim in asked}
    return [[size for dim, size in enumerate(sizes) if dim not in dropped or int(size) != 1]]


def _flatten(call: Call) -> list[list[int]]:
    sizes, start, end = call.input_sizes(), call.argument(1, "start_dim", 0), call.argument(2, "end_dim", -1)
    start, end = start % len(sizes), end % len(sizes)
    return [[*sizes[:start], prod(sizes[start : end + 1]), *sizes[end + 1 :]]]


def _unflatten(call: Call) -> list[list[int]]:
    sizes, dim = call.input_sizes(), call.argument(1, "dim")
    dim %= len(sizes)
    return [[*sizes[:dim], *_viewed(call, [sizes[dim]], list(call.argument(2, "sizes"))), *sizes[dim + 1 :]]]


def _view(call: Call) -> Any:
    if isinstance(call.argument(1, "dtype"), torch.dtype):
        return [call.input_sizes()]
    names = ("shape", "size")
    return [_viewed(call, call.input_sizes(), list(call.integers(1, next((n for n in names if n in call.kwargs), ""))))]


def _view_as(call: Call) -> list[list[int]]:
    return [_viewed(call, call.input_sizes(), list(sizes_of(call.argument(1, "other"))))]


def _viewed(call: Call, sizes: Sequence[int], asked: list[int]) -> list[int]:
    """The sizes of a view: `asked`, with what is missing derived from `sizes`.

    Both are cut into the smallest runs of equal products. A run of one size against one is that size; in longer runs
    the products are tied, or the one missing size is their quotient.
    """
    known = prod(int(size) for size in asked if int(size) != -1)
    missing = asked.index(-1) if -1 in asked else None
    result = list(asked)
    if missing is not None:
        result[missing] = prod(int(size) for size in sizes) // known
    for taken, given in _runs([int(size) for size in sizes], [int(size) for size in result]):
        product = prod(sizes[index] for index in taken)
        others = [index for index in given if index != missing]
        if missing in given:
            rest = product
            for index in others:
                rest = rest // result[index] if int(result[index]) != 1 else rest
            if is_symbolic(product) and not is_symbolic(rest) and not any(is_symbolic(result[i]) for i in others):
                call.hold([product])
            result[missing] = rest
        elif len(taken) == len(given) == 1 and not is_symbolic(result[given[0]]):
            call.hold([product])
        else:
            call.tie(product, prod(result[index] for index in given))
    return result


def _runs(one: Sequence[int], other: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The indices of the smallest runs of `one` and `other` whose products are equal."""
    runs = []
    i = j = 0
    while i < len(one) or j < len(other):
        left, right = [i] * (i < len(one)), [j] * (j < len(other))
        i, j = i + len(left), j + len(right)
        while (a := prod(one[index] for index in left)) != (b := prod(other[index] for index in right)):
            if a < b:
                left.append(i)
                i += 1
            else:
                right.append(j)
                j += 1
        runs.append((left, right))
    return runs


def _expand(call: Call) -> list[list[int]]:
    sizes, asked = call.input_sizes(), list(call.integers(1, "size"))
    offset = len(asked) - len(sizes)
    return [
        [
            sizes[index - offset] if index >= offset and (int(size) == -1 or int(sizes[index - offset]) != 1) else size
            for index, size in enumerate(asked)
        ]
    ]


def _expand_as(call: Call) -> list[list[int]]:
    sizes, target = call.input_sizes(), sizes_of(call.argument(1, "other"))
    for one, other in zip(reversed(sizes), reversed(target), strict=False):
        if int(one) == int(other):
            call.tie(one, other)
    return [list(target)]


def _repeat(call: Call) -> list[list[int]]:
    sizes, times = call.input_sizes(), call.integers(1, "repeats")
    padded = [1] * (len(times) - len(sizes)) + sizes
    return [[size * count if int(count) != 1 else size for size, count in zip(padded, times, strict=True)]]


def _item(call: Call) -> Any:
    """Indexing by integers, slices, None and Ellipsis; an index that is a tensor or a list holds everything."""
    sizes, index = call.input_sizes(), call.args[1]
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, Tensor | list) for part in index):
        return held_shapes(call)
    left = len(sizes) - sum(part is not None and part is not Ellipsis for part in index)
    parts: list[Any] = []
    for part in index:
        parts += [slice(None)] * left if part is Ellipsis else [part]
    parts += [slice(None)] * (len(sizes) - sum(part is not None for part in parts))
    shape, result, dim = call.output_shape(), list[int](), 0
    for part in parts:
        if part is None:
            result.append(1)
        elif isinstance(part, int):
            call.hold([sizes[dim]])
            dim += 1
        else:
            result.append(_sliced(call, sizes[dim], part, shape[len(result)]))
            dim += 1
    return [result]


def _sliced(call: Call, size: int, part: slice, extent: int) -> int:
    """The size of a slice that is `extent` in the traced network."""
    if not is_symbolic(size) or part == slice(None):
        return size if part == slice(None) else extent
    if int(size) == extent:
        if is_symbolic(part.stop):
            call.tie(part.stop, size)
        return size
    if part.step not in (None, 1):
        return size // part.step if int(size) % part.step == 0 else extent
    if not any(is_symbolic(bound) for bound in (part.start, part.stop)):
        call.hold([size])  # the network's code tells its channels apart
        return extent
    start, stop = part.start or 0, size if part.stop is None else part.stop
    start = size + start if int(start) < 0 else start
    stop = size + stop if int(stop) < 0 else stop
    length = (size if int(stop) > int(size) else stop) - start
    return length if int(length) == extent else extent


def _narrow(call: Call) -> list[list[int]]:
    sizes = call.input_sizes()
    sizes[call.argument(1, "dim")] = call.argument(3, "length")
    return [sizes]


def _channel_shuffle(call: Call) -> list[list[int]]:
    sizes, groups = call.input_sizes(), call.argument(1, "groups")
    sizes[1] // groups  # makes the channels a multiple of the groups
    return [sizes]


def _pixel_shuffle(call: Call) -> list[list[int]]:
    sizes, factor = call.input_sizes(), call.argument(1, "upscale_factor")
    return [[*sizes[:-3], sizes[-3] // factor**2, sizes[-2] * factor, sizes[-1] * factor]]


def _pixel_unshuffle(call: Call) -> list[list[int]]:
    sizes, factor = call.input_sizes(), call.argument(1, "downscale_factor")
    return [[*sizes[:-3], sizes[-3] * factor**2, sizes[-2] // factor, sizes[-1] // factor]]


SHAPE_RULES: Mapping[str, Rule] = {
    "pad": _pad,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "stack": _stack,
    "chunk": _chunk,
    "split": _split,
    "split_with_sizes": _split,
    "unbind": _unbind,
    "permute": _permute,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "t": _transpose_last,
    "T": _transpose_last,
    "mT": _transpose_last,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "view": _view,
    "reshape": _view,
    "view_as": _view_as,
    "reshape_as": _view_as,
    "expand": _expand,
    "expand_as": _expand_as,
    "repeat": _repeat,
    "getitem": _item,
    "narrow": _narrow,
    "channel_shuffle": _channel_shuffle,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
}
