"""A copy of a training's state, taken at the end of an epoch and brought to the host while the next one trains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from fdt_core.training.checkpoint import State


class Snapshot:
    """The newest state of a training, by parts.

    On a GPU the copy stays there, in buffers that are kept, so that memory grows by one state. To take it is to launch
    a few copies; another thread may fetch it, on a stream of its own. On other devices it is a new copy on the host
    each time, which a fetch hands out.

    All methods may be called from any thread. What is fetched is one state, never parts of two.

    Args:
        device: where the state is.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._device = device if self._cuda else torch.device("cpu")
        self._lock = threading.Lock()
        self._parts: State = {}
        if self._cuda:
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch does not annotate it
            self._taken = torch.cuda.Event()  # type: ignore[no-untyped-call]  # as above

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        with self._lock:
            return sum(tensor.nbytes for tensor in _tensors(self._parts))

    def take(self, parts: State) -> None:
        """Copy these parts of the state; others stay as they are. Waits only for a fetch that is under way."""
        with self._lock:
            values, former = list(_tensors(parts)), [self._parts.get(name) for name in parts]
            buffers = list(_tensors(former)) if self._cuda else []
            if [_layout(buffer) for buffer in buffers] != [_layout(value) for value in values]:
                buffers = [torch.empty_like(value, device=self._device) for value in values]
            _copy(values, buffers)
            left = iter(buffers)
            self._parts |= _with_tensors(parts, lambda _value: next(left))
            if self._cuda:
                self._taken.record(torch.cuda.current_stream(self._device))

    def fetch(self) -> State:
        """The state on the host; waits for the device."""
        with self._lock:
            if not self._cuda:
                return dict(self._parts)
            self._stream.wait_event(self._taken)
            with torch.cuda.stream(self._stream):
                # Not blocking: the results are in pinned memory, so the copies follow one another.
                state: State = _with_tensors(self._parts, lambda value: value.to("cpu", non_blocking=True))
                fetched = torch.cuda.Event()  # type: ignore[no-untyped-call]  # as above
                fetched.record(self._stream)
            fetched.synchronize()
            return state


def _copy(values: list[Tensor], buffers: list[Tensor]) -> None:
    """Copy all tensors: those of one type in one operation, where the device can do that."""
    by_type: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for value, buffer in zip(values, buffers, strict=True):
        targets, sources = by_type.setdefault(value.dtype, ([], []))
        targets.append(buffer)
        sources.append(value)
    with torch.no_grad():
        for targets, sources in by_type.values():
            torch._foreach_copy_(targets, sources)


def _layout(tensor: Tensor) -> object:
    return tensor.shape, tensor.stride(), tensor.dtype


def _tensors(state: Any) -> Iterator[Tensor]:
    """The tensors of a state, in order."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for value in state.values() if isinstance(state, dict) else state:
            yield from _tensors(value)


def _with_tensors(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The state as plain dicts and lists, with each tensor changed, in order."""
    if isinstance(state, Tensor):
        return change(state)
    if isinstance(state, dict):
        return {key: _with_tensors(value, change) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_with_tensors(value, change) for value in state)
    return state
