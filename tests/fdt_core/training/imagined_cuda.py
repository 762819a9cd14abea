"""CUDA's streams, events and graphs, imagined on a machine without a GPU.

Streams and events run nothing by themselves: they keep the order that they promise, so that a test can find two
operations that a real device might run at the same time. An imagined capture records operations on real tensors of the
CPU, and a replay runs them again on the same memory, with the same scalars.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Clock = dict[int, int]
"""How many operations of each stream (by its number) are over for sure."""


@dataclass
class ImaginedStream:
    """A stream: a clock of what is over when its next operation starts."""

    device: object = None
    number: int = -1
    clock: Clock = field(default_factory=dict)

    def wait_event(self, event: ImaginedEvent) -> None:
        """What was recorded is over before what comes next; an event that was not recorded counts for nothing."""
        self.clock = {key: max(self.clock.get(key, 0), event.clock.get(key, 0)) for key in {*self.clock, *event.clock}}

    def wait_stream(self, other: ImaginedStream) -> None:
        """What was launched on the other stream is over before what comes next."""
        self.wait_event(ImaginedEvent(clock=dict(other.clock)))


@dataclass
class ImaginedEvent:
    """An event: the clock of the stream that it was last recorded on."""

    clock: Clock = field(default_factory=dict)

    host: ImaginedStream | None = None
    """What the host waits for is over before all that it launches afterwards, for which the default stream stands."""

    def record(self, stream: ImaginedStream) -> None:
        """What the stream has launched so far."""
        self.clock = dict(stream.clock)

    def synchronize(self) -> None:
        """The host waits."""
        if self.host is not None:
            self.host.wait_event(self)


class ImaginedCuda:
    """Replaces the streams of torch.cuda."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._streams = 0
        self.default = self.current = self.stream()
        monkeypatch.setattr(torch.cuda, "Stream", self.stream)
        monkeypatch.setattr(torch.cuda, "Event", lambda: ImaginedEvent(host=self.default))
        monkeypatch.setattr(torch.cuda, "stream", self.use)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.current)

    def stream(self, device: object = None) -> ImaginedStream:
        """Another stream."""
        self._streams += 1
        return ImaginedStream(device, self._streams)

    @contextlib.contextmanager
    def use(self, stream: ImaginedStream) -> Iterator[None]:
        """What is launched is launched on `stream`."""
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before


@dataclass
class _Uses:
    """What uses a storage: for each stream, the number of its last operation that reads it, or writes it."""

    storage: StorageWeakRef
    owner: ImaginedStream
    reads: Clock = field(default_factory=dict)
    writes: Clock = field(default_factory=dict)


class RaceDetector(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate this class
    """Finds operations on the same memory, of which one writes, that no event orders.

    Memory that is freed belongs to the stream that allocated it, as in torch's allocator: what other streams have done
    with it must be over before that stream goes on.

    Attributes:
        races: what was found, one line each.
    """

    def __init__(self, cuda: ImaginedCuda) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.races: list[str] = []
        self._cuda = cuda
        self._uses: dict[int, _Uses] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, stream = kwargs or {}, self._cuda.current
        self._find_freed()
        stream.clock[stream.number] = now = stream.clock.get(stream.number, 0) + 1
        given, written = _tensors((args, kwargs)), mutated(func, args, kwargs)
        for tensor in given:
            self._check(func, "what is written", self._of(tensor, self._cuda.default).writes, stream)
        for tensor in written:
            self._check(func, "what is read", self._of(tensor, self._cuda.default).reads, stream)
        result = func(*args, **kwargs)
        for tensor in given:
            self._of(tensor, self._cuda.default).reads[stream.number] = now
        made = [tensor for tensor in _tensors(result) if _storage(tensor) not in self._uses]
        for tensor in (*written, *made):
            self._of(tensor, stream).writes[stream.number] = now
        return result

    def _of(self, tensor: Tensor, owner: ImaginedStream) -> _Uses:
        """What uses the memory of the tensor; if it is new, `owner` has allocated it."""
        weak = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]  # as above
        return self._uses.setdefault(_storage(tensor), _Uses(weak, owner))

    def _check(self, what: object, done: str, uses: Clock, stream: ImaginedStream) -> None:
        for other, moment in uses.items():
            if stream.clock.get(other, 0) < moment:
                self.races.append(f"{what} on stream {stream.number} does not wait for {done} on stream {other}")

    def _find_freed(self) -> None:
        for key, uses in list(self._uses.items()):
            if uses.storage.expired():  # type: ignore[no-untyped-call]  # as above
                del self._uses[key]
                self._check("memory that is allocated", "what it was used for", uses.reads, uses.owner)
                self._check("memory that is allocated", "what it was used for", uses.writes, uses.owner)


def imagined_capture(function: Callable[[], None]) -> Callable[[], None]:
    """What `function` does with tensors, without its effect so far; returns what does it again each time."""
    recorder = _Recorder()
    with recorder:
        function()
    recorder.undo()
    return recorder.replay


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # as above
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self._operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []
        self._made: dict[int, Tensor] = {}
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for tensor in mutated(func, args, kwargs):
            if _storage(tensor) not in self._made:
                self._before.setdefault(id(tensor), (tensor, tensor.detach().clone()))
        given = {_storage(tensor) for tensor in _tensors((args, kwargs))}
        result = func(*args, **kwargs)
        made = [tensor for tensor in _tensors(result) if _storage(tensor) not in given]
        self._made |= {_storage(tensor): tensor for tensor in made}
        self._operations.append((func, args, kwargs, made))
        return result

    def undo(self) -> None:
        """A capture runs nothing."""
        with torch.no_grad():
            for tensor, value in self._before.values():
                tensor.copy_(value)
        self._before.clear()

    def replay(self) -> None:
        """Run the operations on the same tensors."""
        with torch.no_grad():
            for func, args, kwargs, made in self._operations:
                given = {_storage(tensor) for tensor in _tensors((args, kwargs))}
                again = [tensor for tensor in _tensors(func(*args, **kwargs)) if _storage(tensor) not in given]
                for tensor, value in zip(made, again, strict=True):
                    tensor.copy_(value)


def mutated(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors among the arguments of an operation that it writes."""
    found: list[Any] = []
    for position, argument in enumerate(func._schema.arguments):
        value = args[position] if position < len(args) else kwargs.get(argument.name)
        # The schema of these does not say that they update the running statistics.
        statistics = "batch_norm" in func.__name__ and "backward" not in func.__name__ and "running" in argument.name
        if statistics or (argument.alias_info is not None and argument.alias_info.is_write):
            found.append(value)
    return _tensors(found)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
