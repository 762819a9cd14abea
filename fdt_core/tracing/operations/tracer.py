"""Follow symbolic sizes through one forward pass.

The network runs on the meta device, on one image. A `TorchFunctionMode` sees each call of a torch function before
torch does, replaces symbolic sizes by integers, and derives the symbolic sizes of the results by the function's rule.
A function without a rule is taken as elementwise; if it cannot be, its inputs are held at their base sizes, and
`WidthSystem.held` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fdt_core.tracing.operations.call import Call, Operation, Rule, held_shapes
from fdt_core.tracing.operations.layer_rules import LAYER_RULES, elementwise, spatial
from fdt_core.tracing.operations.shape_rules import SHAPE_RULES
from fdt_core.tracing.symbolic.sizes import (
    SymbolicShape,
    is_of_image,
    is_pooled,
    plain,
    set_facts,
    set_sizes,
    shape_of,
    sizes_of,
    tensors_in,
)
from fdt_core.tracing.symbolic.width_system import WidthSystem

_RULES: Mapping[str, Rule] = {**LAYER_RULES, **SHAPE_RULES}

_VIEW_PROPERTIES = ("T", "mT", "H", "data", "real", "imag")
"""Properties of a tensor that are tensors."""

_UNTRACED = frozenset(
    ("dim", "element_size", "is_contiguous", "is_floating_point", "len", "ndimension", "numel", "set", "stride")
)

_REDUCTIONS = frozenset(("sum", "amax", "max", "matmul"))
"""Functions that can reduce each map to one value; a matrix product does so with learned weights."""


class Tracer(TorchFunctionMode):
    """Records the operations of the forward passes that run inside it."""

    def __init__(self, system: WidthSystem) -> None:
        super().__init__()
        self.system = system
        self.operations: list[Operation] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run `func`, and derive the sizes of its results."""
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", func))
        if name == "__get__":
            name = getattr(func.__self__, "__name__", "")
            if name == "shape":
                return SymbolicShape(sizes_of(args[0]))
            if name not in _VIEW_PROPERTIES:
                return func(*args, **kwargs)
        name = name.strip("_")
        if name == "size":
            dim = args[1] if len(args) > 1 else kwargs.get("dim")
            shape = SymbolicShape(sizes_of(args[0]))
            return shape if dim is None else shape[dim]
        if name in _UNTRACED:
            return func(*args, **kwargs)
        return self._traced(name, func, args, kwargs)

    def _traced(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        inputs = list(tensors_in((args, kwargs)))
        of_image = any(is_of_image(tensor) for tensor in inputs)
        features = [tensor for tensor in inputs if is_of_image(tensor) and len(shape_of(tensor)) > 1]
        pooled = bool(features) and all(is_pooled(tensor) for tensor in features)
        before = [sizes_of(tensor) for tensor in inputs]
        result = func(*plain(args), **plain(kwargs))  # torch has switched this mode off meanwhile
        outputs = list(tensors_in(result))
        if not outputs or name == "setitem":
            return result
        call = Call(
            name=name,
            args=args,
            kwargs=kwargs,
            inputs=inputs,
            outputs=outputs,
            system=self.system,
            pooled=pooled,
            of_image=of_image,
            operations=self.operations,
        )
        self._set_sizes(call)
        for tensor in outputs:
            set_facts(tensor, pooled=pooled or _is_pooling(call, tensor, before), of_image=of_image)
        return result

    def _set_sizes(self, call: Call) -> None:
        rule = _RULES.get(call.name) or (spatial if "pool" in call.name else elementwise)
        try:
            derived = rule(call)
            for tensor, sizes in zip(call.outputs, derived, strict=True):
                set_sizes(tensor, sizes)
        except (ArithmeticError, IndexError, TypeError, ValueError):  # an unusual use of the function
            for tensor, shape in zip(call.outputs, held_shapes(call), strict=True):
                set_sizes(tensor, shape)


def _is_pooling(call: Call, output: Tensor, before: Sequence[tuple[int, ...]]) -> bool:
    """Whether the call leaves one value per map: nothing after it sees where a feature was.

    A convolution or a local pooling may leave maps of one pixel too, but keeps them as maps.
    """
    shape = shape_of(output)
    if not call.of_image or len(shape) <= 2:
        return call.of_image
    if sum(size > 1 for size in shape) > 1 or not before:
        return False
    inputs = tuple(int(size) for size in before[0])
    kernel = plain(call.argument(1, "kernel_size")) if call.name == "avg_pool2d" else None
    covers = kernel is not None and min(inputs[-2:]) > 2 and kernel in (inputs[-1], inputs[-2:], list(inputs[-2:]))
    if call.name == "mean" or "adaptive" in call.name:
        return True  # of maps of one pixel too: their size is the image's, not the network's
    return sum(size > 1 for size in inputs) > 1 and (call.name in _REDUCTIONS or covers)


@contextmanager
def reporting_modules(network: nn.Module, report: Callable[[str], None]) -> Iterator[None]:
    """While `network` runs inside, `report` gets the dotted name of each module that starts, or runs on."""
    running = [""]

    def enter(name: str) -> Any:
        def hook(module: nn.Module, args: Any) -> None:
            running.append(name)
            report(name)

        return hook

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        running.pop()
        report(running[-1])

    handles = []
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(enter(name)))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
