"""Process-wide switches that decide the numbers of a computation: set for every trial, whatever ran before."""

from __future__ import annotations

import contextlib
from typing import Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


def apply_numerics(precision: Precision, *, threads: int, deterministic: bool) -> None:
    """Set CPU threads, TF32, kernel selection and determinism of this process."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.use_deterministic_algorithms(deterministic)
    # Deterministic mode would fill all new memory too, to hide reads of what was never written; there are none here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set on the module itself
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """The context of forward passes: with bf16, bfloat16 arithmetic on float32 weights.

    bfloat16 has float32's range, so gradients need no scaling and there is no scaler state to save.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
