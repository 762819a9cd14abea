"""Steps on whole batches as one CUDA graph: the host launches a step at once instead of its operations one by one."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from fdt_core.error_text import informative_line
from fdt_core.errors import UsageError
from fdt_core.training.batches import Batch
from fdt_core.training.step import TrainingStep

WARM_UP_STEPS = 3
"""Steps before the capture, as in torch's manual: kernels are chosen, the optimiser gets its state. They train, too."""

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Captures what a function launches on the current stream, without running it; returns what runs it."""


class GraphedStep:
    """Runs `step`, which is made for a graph: whole batches as replays of one graph, once it is captured.

    Args:
        step: the step.
        network: what it trains.
        batch_size: images of a whole batch. Smaller ones are trained on without the graph.
        device: a CUDA device.
        capture: another way to capture, for tests.
    """

    def __init__(
        self,
        step: TrainingStep,
        network: nn.Module,
        batch_size: int,
        device: torch.device,
        capture: Capture | None = None,
    ) -> None:
        self._step, self._network, self._batch_size = step, network, batch_size
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch does not annotate it
        self._capture = capture or captured
        self._steps = 0
        self._inputs: Batch | None = None
        self._replay: Callable[[], None] | None = None

    @contextmanager
    def training_pass(self) -> Iterator[None]:
        """To be entered for a pass: neither the capture nor the steps before it may be on the default stream."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outside.wait_stream(self._stream)

    def __call__(self, batch: Batch) -> None:
        """Train on `batch`.

        Raises:
            UsageError: if a graph cannot hold the step.
        """
        if len(batch.labels) < self._batch_size or self._steps < WARM_UP_STEPS:
            self._steps += len(batch.labels) == self._batch_size
            self._step(batch)
            return
        if self._inputs is None:
            self._inputs = batch.buffers()
        self._inputs.filled_with(batch)
        if self._replay is None:
            self._replay = self._captured(self._inputs)
        self._replay()

    def _captured(self, inputs: Batch) -> Callable[[], None]:
        before = _seen_by_the_host(self._network)
        try:
            replay = self._capture(lambda: self._step(inputs))
        except RuntimeError as error:
            raise UsageError(f"{_REFUSAL}: {informative_line(str(_first(error)))}") from error
        for what, value in _seen_by_the_host(self._network).items():
            if value != before[what]:
                raise UsageError(f"{_REFUSAL}: its forward pass {what}, which a graph would do only once")
        return replay


def captured(function: Callable[[], None]) -> Callable[[], None]:
    """What `function` launches on the current stream, as a CUDA graph; returns what launches it."""
    graph = torch.cuda.CUDAGraph()
    # Only this thread must keep to the rules of a capture: another may be fetching a snapshot.
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
        function()
    return graph.replay


_REFUSAL = "recipe.cuda_graph: the training step of this network cannot be a CUDA graph"


def _seen_by_the_host(network: nn.Module) -> dict[str, object]:
    """What a step must leave as it is, by what a network does that changes it: a replay would not do it again."""
    return {
        "draws from Python's random numbers": random.getstate(),
        "draws from NumPy's random numbers": pickle.dumps(np.random.get_state()),
        "draws random numbers on the CPU": torch.get_rng_state().tolist(),
        "replaces buffers": [each.data_ptr() for each in (*network.parameters(), *network.buffers())],
    }


def _first(error: BaseException) -> BaseException:
    """The error that others came after, as the end of a capture raises another one."""
    while error.__context__ is not None:
        error = error.__context__
    return error
