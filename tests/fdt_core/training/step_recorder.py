"""Records what each step of a pass asks of the device."""

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
}
"""The scalars that differ from step to step: of which operation, at which place or keyword, and what they are."""


@dataclass(frozen=True)
class Operation:
    """One operation: its name, its inputs (tensors by shape, type and device, and scalars) and its outputs."""

    name: str
    inputs: Any
    outputs: Any

    def reads(self) -> set[str]:
        """The kinds of device of the tensors that it reads."""
        return _devices(self.inputs)

    def devices(self) -> set[str]:
        """The kinds of device of all its tensors."""
        return _devices((self.inputs, self.outputs))


@dataclass(frozen=True)
class Description:
    """A tensor but for its values."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: str


class StepRecorder(TorchDispatchMode):
    """While it is entered, notes every operation; give its `begin_step` as `before_batch`.

    Args:
        skipped: operations in place that are noted but not done, because fake tensors cannot do them.
    """

    def __init__(self, skipped: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._skipped = skipped
        self._parts: list[list[Operation]] = [[]]

    def begin_step(self, part_done: float) -> None:
        """What follows belongs to the next step."""
        self._parts.append([])

    @property
    def steps(self) -> list[list[Operation]]:
        """The operations of each step, without those before the first."""
        return self._parts[1:]

    def beside(self, device: str) -> list[Operation]:
        """The operations of all steps with a tensor that is not on `device`."""
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
    """`arguments` of an operation, where those that may differ have their names in place of their values."""
    named = NAMED.get(name, {})
    if isinstance(arguments, dict):
        return {key: named.get(key, value) for key, value in arguments.items()}
    return [named.get(place, value) for place, value in enumerate(arguments)]


def _described(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Description(tuple(value.shape), value.dtype, value.device.type)
    return value


def _devices(described: Any) -> set[str]:
    return {leaf.device for leaf in tree_leaves(described) if isinstance(leaf, Description)}
