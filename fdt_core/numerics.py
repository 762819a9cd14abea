"""Process-wide switches that decide the numbers of a training: set for every trial, whatever ran before."""

from __future__ import annotations

import contextlib

import torch

from fdt_core.recipe import Recipe


def apply_numerics(recipe: Recipe, threads: int) -> None:
    """Set threads, TF32, kernel selection and determinism for a training by `recipe` in this process."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    tf32 = recipe.precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.use_deterministic_algorithms(recipe.deterministic)
    torch.backends.cudnn.deterministic = recipe.deterministic
    torch.backends.cudnn.benchmark = not recipe.deterministic


def autocast(recipe: Recipe, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """The context of forward passes: bfloat16 arithmetic on float32 weights where the recipe says bf16.

    bfloat16 has float32's range, so gradients need no scaling and there is no scaler state to save.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16")
