"""Custom architectures that misbehave where they are trained, and nowhere else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from fdt_core.image import ImageShape
from fdt_core.networks.architectures import Architecture, architecture
from fdt_core.networks.layers import Layer

_TINY = architecture("vgg11")


def _misbehaving(name: str, act: Callable[[], object]) -> Architecture:
    def plan(widths: tuple[int, ...], *, width: float, image: ImageShape) -> tuple[Layer, ...]:
        if "FDT_NODE" in os.environ and "WORKER" in os.environ.get("RAY_WORKER_MODE", "WORKER"):
            act()
        return _TINY.plan(widths, width=width, image=image)

    return Architecture(name=name, base_widths=_TINY.base_widths, plan=plan)


def _raise(error: Exception) -> None:
    raise error


raises = _misbehaving("raises", lambda: _raise(ValueError("these widths do not please me")))
exhausts_memory = _misbehaving("exhausts_memory", lambda: _raise(MemoryError("no more")))
loses_its_device = _misbehaving("loses_its_device", lambda: _raise(RuntimeError("CUDA error: uncorrectable ECC error")))
breaks_its_context = _misbehaving(
    "breaks_its_context",
    lambda: _raise(RuntimeError("CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`")),
)
kills_itself = _misbehaving("kills_itself", lambda: os.kill(os.getpid(), signal.SIGKILL))
hangs = _misbehaving("hangs", lambda: time.sleep(10_000))
