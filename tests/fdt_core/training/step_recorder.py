"""Record the operations of each step of a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAMED: dict[str, dict[int | str, str]] = {
    "aten.slice.Tensor": {2: "first image of the batch", 3: "end of the batch"},
    "aten.select.int": {2: "number of the batch"},
    "aten._fused_sgd_.default": {"lr": "learning rate"},
    "aten._fused_adamw_.default": {"lr": "learning rate"},
    "aten._foreach_lerp_.Scalar": {2: "decay of the average"},
    "aten.fill_.Scalar": {1: "what a graph reads"},
}
"""The scalars that differ between steps: by operation and position or keyword, what they mean."""


@dataclass(frozen=True)
class Operation:
    """One operation: its name, its inputs (tensors by shape, type and device, and scalars) and its outputs."""

    name: str
    inputs: Any
    outputs: Any

    def reads(self) -> set[str]:
        """The device types of the tensors that it reads."""
        return _devices(self.inputs)

    def devices(self) -> set[str]:
        """The device types of all its tensors."""
        return _devices((self.inputs, self.outputs))


@dataclass(frozen=True)
class Description:
    """A tensor without its values."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: str


class StepRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate this class
    """Records every operation while it is entered; pass its `start_step` as `before_batch`.

    Args:
        skipped: in-place operations to record without running them, because fake tensors do not support them.
    """

    def __init__(self, skipped: frozenset[str] = frozenset()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self._skipped = skipped
        self._parts: list[list[Operation]] = [[]]

    def start_step(self, part_done: float) -> None:
        """Start the next step."""
        self._parts.append([])

    @property
    def steps(self) -> list[list[Operation]]:
        """The operations of each step, without those before the first step."""
        return self._parts[1:]

    def beside(self, device: str) -> list[Operation]:
        """The operations of all steps that have a tensor on another device."""
        return [operation for step in self.steps for operation in step if operation.devices() - {device}]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = str(func)
        inputs = tree_map(_described, (_unnamed(name, args), _unnamed(name, kwargs)))
        result = None if name in self._skipped else func(*args, **kwargs)
        if func.namespace == "aten":
            self._parts[-1].append(Operation(name, inputs, tree_map(_described, result)))
        return result


def _unnamed(name: str, arguments: Any) -> Any:
    """`arguments` of an operation, with the values of those that may differ replaced by their names."""
    named = NAMED.get(name, {})
    if isinstance(arguments, dict):
        return {key: named.get(key, value) for key, value in arguments.items()}
    return [named.get(position, value) for position, value in enumerate(arguments)]


def _described(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Description(tuple(value.shape), value.dtype, value.device.type)
    return value


def _devices(described: Any) -> set[str]:
    return {leaf.device for leaf in tree_leaves(described) if isinstance(leaf, Description)}
