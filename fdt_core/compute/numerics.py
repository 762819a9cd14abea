"""Process-wide switches that affect numerical results: set for every trial, regardless of what ran before."""

from __future__ import annotations

import contextlib
from typing import Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


def apply_numerics(precision: Precision, *, threads: int, deterministic: bool) -> None:
    """Set the CPU threads, TF32, kernel selection and determinism of this process."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.use_deterministic_algorithms(deterministic)
    # Deterministic mode would also fill new memory, to hide uninitialised reads; there are none here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set on the module itself
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """The context for forward passes: for bf16, bfloat16 arithmetic on float32 weights.

    bfloat16 has the range of float32, so gradients need no scaling and there is no scaler state to save.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
