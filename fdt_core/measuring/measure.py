"""Measure a network on a device: peak memory, and latency and throughput of inference.

Measure on an otherwise idle device, preferably in a fresh process: nothing here can tell a slow network from a busy
device, or its memory from what the allocator kept of an earlier network.
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
from fdt_core.measuring.setting import MeasurementSetting
from fdt_core.networks.convolution import use_right_kernels
from fdt_core.networks.cost import Cost
from fdt_core.provenance import versions
from fdt_core.results.columns import PROFILE_BATCH_SIZES, TABLES
from fdt_core.training.initialisation import build_optimiser
from fdt_core.trial.recipe import Recipe

_INFERENCE_MEMORY_BATCH = 16
_TRAINING_MEMORY_BATCH = 128
_WARM_UP_RUNS = 3
"""Runs before anything is measured: the first runs select kernels, which takes extra time and memory, and the first
training step has no optimiser state yet."""
_MIN_RUNS, _MAX_RUNS = 7, 50
"""Number of timed runs per batch size."""
_SECONDS = 0.5
"""No timed run starts after this many seconds, once there are `_MIN_RUNS`."""


def cost_columns(cost: Cost) -> dict[str, Any]:
    """The computed costs that the table `profiles` has columns for."""
    columns = {column.name for column in TABLES["profiles"]}
    return {name: value for name, value in asdict(cost).items() if name in columns}


def measure(build: Callable[[], nn.Module], image: ImageShape, setting: MeasurementSetting) -> dict[str, Any]:
    """Measure a network with random weights on random images.

    Args:
        build: builds the network; all memory used from this call on counts.
        image: the shape of the images and the number of classes.
        setting: how the network is run.

    Returns:
        The measured columns of the table `profiles`: peak memory (MB) of inference and of training steps; for each
        batch size, median and 10th and 90th percentiles of the latency (ms), and the median throughput; and how, when
        and by which versions they were measured.
    """
    device, precision = torch.device(setting.device), setting.precision
    apply_numerics(precision, threads=setting.threads, deterministic=False)
    memory = PeakMemory(device)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    network = use_right_kernels(build())
    network.to(device, memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks this form

    def images(count: int) -> Tensor:
        pixels = torch.randn(count, image.channels, image.size, image.size, device=device)
        return pixels.to(memory_format=layout)

    inference = _Inference(network, precision, device)
    inference_peak = _settled_peak(memory, lambda: inference(images(_INFERENCE_MEMORY_BATCH)))
    latencies = {batch: _milliseconds(inference, images(batch), device) for batch in PROFILE_BATCH_SIZES}
    training = _Training(network, image.classes, precision)
    training_peak = _settled_peak(memory, lambda: training(images(_TRAINING_MEMORY_BATCH)))
    return {
        "device": device.type,
        "device_name": device_name(device),
        "threads": setting.threads,
        "precision": precision,
        "channels_last": setting.channels_last,
        "inference_peak_memory_mb": inference_peak,
        "training_peak_memory_mb": training_peak,
        **_latency_columns(latencies),
        "measured_at": datetime.now(UTC),
        **{name: version for name, version in versions().items() if name in ("code_version", "torch_version")},
    }


class _Inference:
    """A forward pass as in prediction: in evaluation mode, without an autograd graph."""

    def __init__(self, network: nn.Module, precision: Precision, device: torch.device) -> None:
        self._network, self._precision, self._device = network, precision, device

    def __call__(self, pixels: Tensor) -> None:
        self._network.eval()
        with torch.inference_mode(), autocast(self._precision, self._device):
            self._network(pixels)


class _Training:
    """A training step like those of the trainer, by SGD with momentum: measurements do not depend on a recipe."""

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
    """The peak memory of `run` after warm-up, in MB (1e6 bytes)."""
    for _ in range(_WARM_UP_RUNS):
        run()
    return memory.megabytes(run)


def _milliseconds(inference: _Inference, pixels: Tensor, device: torch.device) -> list[float]:
    """Latencies of single runs, each from an idle device until it is idle again."""
    for _ in range(_WARM_UP_RUNS):
        inference(pixels)
    synchronize(device)
    latencies: list[float] = []
    started = time.perf_counter()
    while len(latencies) < _MIN_RUNS or (len(latencies) < _MAX_RUNS and time.perf_counter() - started < _SECONDS):
        run_started = time.perf_counter()
        inference(pixels)
        synchronize(device)
        latencies.append((time.perf_counter() - run_started) * 1e3)
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
