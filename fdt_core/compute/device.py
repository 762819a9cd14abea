"""What training and measuring need from a device: its name, its memory, and timing that does not stall it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from fdt_core.error_text import informative_line
from fdt_core.errors import EnvironmentProblem, UsageError


def device_name(device: torch.device) -> str:
    """The model of the device, such as 'NVIDIA H100', or the name of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _processor_name()


def require_device(device: str) -> str:
    """Return `device` if torch can use it here; for an empty string, the first GPU if there is one, else the CPU.

    Raises:
        UsageError: if `device` does not name a device.
        EnvironmentProblem: if this machine, or this build of torch, lacks the device.
    """
    if not device:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=torch.device(device))
    except RuntimeError as error:
        if device.partition(":")[0] not in ("cpu", "cuda", "mps"):
            raise UsageError(f"{device!r} is not a device: name cpu, cuda, cuda:1, mps, ...") from error
        raise EnvironmentProblem(f"device {device!r} cannot be used: {informative_line(str(error))}") from error
    return device


def device_uuid(device: str) -> str | None:
    """The identifier by which nvidia-smi names a CUDA device or MIG slice; None for other devices."""
    torch_device, visible = torch.device(device), os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if torch_device.type != "cuda":
        return None
    return visible if visible.startswith("MIG-") else f"GPU-{torch.cuda.get_device_properties(torch_device).uuid}"


def limit_memory(device: str, share: float | None, *, context: int) -> int | None:
    """Limit this process to its `share` (0 to 1) of a GPU, or to all of it (None); beyond that, it alone fails.

    torch limits only its allocator. On top of that, every process takes `context` bytes of the device for the CUDA
    context and library kernels, and so does the process that examines a device suspected of being broken. So N
    sharers divide what N + 1 contexts leave.

    Returns:
        The bytes that tensors may take; None if there is no limit to set (CPU, MPS).

    Raises:
        EnvironmentProblem: if the contexts would leave nothing.
    """
    torch_device = torch.device(device)
    if torch_device.type != "cuda":
        return None
    total = torch.cuda.get_device_properties(torch_device).total_memory
    allowed = total if share is None else int(share * (total - context)) - context
    if allowed <= 0:
        raise EnvironmentProblem(
            f"1/{1 / (share or 1):.0f} of the memory of {device_name(torch_device)} ({total / 1e9:.1f} GB) is less "
            f"than CUDA itself needs in each process ({context / 1e9:.1f} GB): lower trials_per_gpu"
        )
    # Pass the index: torch rejects a plain "cuda" here, whereas None means the current device.
    torch.cuda.set_per_process_memory_fraction(allowed / total, torch_device.index)
    return allowed


def release_memory(device: str) -> None:
    """Release unused memory: a GPU's to the other processes on it, the CPU's to the operating system."""
    torch_device = torch.device(device)
    if torch_device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # after most device errors every call fails
            torch.cuda.empty_cache()
    elif torch_device.type == "mps":
        torch.mps.empty_cache()
    else:
        # Otherwise glibc keeps what a large trial has freed, and it would count towards the next trial's peak.
        with contextlib.suppress(AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)


def reset_peak_memory(device: torch.device) -> None:
    """Reset the peak; on the CPU this is possible on Linux only."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif device.type == "cpu" and sys.platform == "linux":
        with contextlib.suppress(OSError):  # a hardened container may forbid it; the peak then covers the whole process
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Highest memory since the last reset, in MB (1e6 bytes): allocated on a GPU, resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 1e6
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    high_water_mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(high_water_mark.split()[1]) * 1024 / 1e6


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class PeakMemory:
    """Measures peak memory above what was in use at construction."""

    def __init__(self, device: torch.device) -> None:
        gc.collect()
        synchronize(device)
        self._device = device
        self._before_mb = _memory_in_use_mb(device)

    def megabytes(self, run: Callable[[], None]) -> float:
        """The peak during `run()`, in MB (1e6 bytes); earlier peaks do not count."""
        synchronize(self._device)
        reset_peak_memory(self._device)
        run()
        synchronize(self._device)
        return max(0.0, peak_memory_mb(self._device) - self._before_mb)


class Stopwatch:
    """Times a span of work on the device; the result is read later, and neither end waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = self._mark()
        self._end = self._start

    def stop(self) -> None:
        """Mark the end of the span."""
        self._end = self._mark()

    def seconds(self) -> float:
        """Seconds from construction to `stop`; the device must have reached the end of the span."""
        if isinstance(self._start, float) and isinstance(self._end, float):
            return self._end - self._start
        return float(self._start.elapsed_time(self._end)) / 1e3

    def _mark(self) -> Any:
        if self._device.type == "cpu":
            return time.perf_counter()
        event = torch.Event(self._device, enable_timing=True)
        event.record()
        return event


def _memory_in_use_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 1e6
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 1e6
    return psutil.Process().memory_info().rss / 1e6


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
