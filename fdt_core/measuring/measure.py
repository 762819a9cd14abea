"""Measure a network on a device: peak memory, and latency and throughput of inference.

Whoever measures must have the device to themselves, and best a fresh process: nothing here can tell a slow network
from a busy device, nor its memory from what an earlier network left to the allocator.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fdt_core.compute.device import PeakMemory, device_name, synchronize
from fdt_core.compute.numerics import Precision, apply_numerics, autocast
from fdt_core.image import ImageShape
from fdt_core.networks.convolution import use_right_kernels
from fdt_core.networks.cost import Cost
from fdt_core.provenance import versions
from fdt_core.results.columns import PROFILE_BATCH_SIZES, TABLES
from fdt_core.training.initialisation import build_optimiser
from fdt_core.trial.recipe import Recipe

_INFERENCE_MEMORY_BATCH = 16
_TRAINING_MEMORY_BATCH = 128
_WARM_UP_RUNS = 3
"""Runs before anything is measured: the first ones choose kernels, which takes time and memory of its own, and the
first training step has no optimiser state yet."""
_RUNS = (7, 50)
"""Least and largest number of timed runs per batch size."""
_SECONDS = 0.5
"""Runs beyond the least number end after so long."""


def cost_columns(cost: Cost) -> dict[str, Any]:
    """Those of the computed costs that `profiles` has columns for."""
    columns = {column.name for column in TABLES["profiles"]}
    return {name: value for name, value in asdict(cost).items() if name in columns}


def measure(
    make: Callable[[], nn.Module],
    image: ImageShape,
    *,
    device: str,
    threads: int,
    precision: Precision = "fp32",
    channels_last: bool = True,
) -> dict[str, Any]:
    """Measure a network of random weights on random images.

    Args:
        make: builds the network; its memory counts from there on.
        image: what the network reads.
        device: 'cpu', 'cuda', 'cuda:1', 'mps', ...
        threads: CPU threads.
        precision: of convolutions and linear layers.
        channels_last: memory layout of weights and images.

    Returns:
        The measured columns of `profiles`: peak memory of inference and of training steps, per batch size median,
        10th and 90th percentile of the latency and the median throughput; and what they were measured with.
    """
    place = torch.device(device)
    apply_numerics(precision, threads=threads, deterministic=False)
    memory = PeakMemory(place)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = use_right_kernels(make())
    network.to(place, memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks this form

    def images(count: int) -> Tensor:
        pixels = torch.randn(count, image.channels, image.size, image.size, device=place)
        return pixels.to(memory_format=layout)

    inference = _Inference(network, precision, place)
    inference_peak = _settled_peak(memory, lambda: inference(images(_INFERENCE_MEMORY_BATCH)))
    latencies = {batch: _milliseconds(inference, images(batch), place) for batch in PROFILE_BATCH_SIZES}
    training = _Training(network, image.classes, precision)
    training_peak = _settled_peak(memory, lambda: training(images(_TRAINING_MEMORY_BATCH)))
    return {
        "device": place.type,
        "device_name": device_name(place),
        "threads": threads,
        "precision": precision,
        "channels_last": channels_last,
        "inference_peak_memory_mb": inference_peak,
        "training_peak_memory_mb": training_peak,
        **_latency_columns(latencies),
        "measured_at": datetime.now(UTC),
        **{name: version for name, version in versions().items() if name in ("code_version", "torch_version")},
    }


class _Inference:
    """A forward pass as it is used to predict: in evaluation mode, without a graph."""

    def __init__(self, network: nn.Module, precision: Precision, device: torch.device) -> None:
        self._network, self._precision, self._device = network, precision, device

    def __call__(self, pixels: Tensor) -> None:
        self._network.eval()
        with torch.inference_mode(), autocast(self._precision, self._device):
            self._network(pixels)


class _Training:
    """A training step, as the trainer makes it."""

    def __init__(self, network: nn.Module, classes: int, precision: Precision) -> None:
        self._network, self._classes, self._precision = network, classes, precision
        self._optimiser = build_optimiser(network, Recipe())

    def __call__(self, pixels: Tensor) -> None:
        self._network.train()
        labels = torch.arange(len(pixels), device=pixels.device) % self._classes
        with autocast(self._precision, pixels.device):
            logits = self._network(pixels)
        loss = F.cross_entropy(logits.float(), labels)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimiser.step()


def _settled_peak(memory: PeakMemory, run: Callable[[], None]) -> float:
    """What `run` needs at most once it has warmed up, in MB."""
    for _ in range(_WARM_UP_RUNS):
        run()
    return memory.megabytes(run)


def _milliseconds(inference: _Inference, pixels: Tensor, device: torch.device) -> list[float]:
    """Latencies of single runs, each from an idle device to an idle device."""
    for _ in range(_WARM_UP_RUNS):
        inference(pixels)
    synchronize(device)
    least, most = _RUNS
    latencies: list[float] = []
    begun = time.perf_counter()
    while len(latencies) < least or (len(latencies) < most and time.perf_counter() - begun < _SECONDS):
        started = time.perf_counter()
        inference(pixels)
        synchronize(device)
        latencies.append((time.perf_counter() - started) * 1e3)
    return latencies


def _latency_columns(latencies: dict[int, list[float]]) -> dict[str, float]:
    columns = {}
    for batch, milliseconds in latencies.items():
        deciles = statistics.quantiles(milliseconds, n=10, method="inclusive")
        median = statistics.median(milliseconds)
        columns[f"latency_ms_b{batch}_median"] = median
        columns[f"latency_ms_b{batch}_p10"] = deciles[0]
        columns[f"latency_ms_b{batch}_p90"] = deciles[-1]
        columns[f"images_per_second_b{batch}"] = 1e3 * batch / median
    return columns
