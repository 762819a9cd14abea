"""Settings of a training process that must be made before torch is imported or CUDA starts."""

from __future__ import annotations

import os


def prepare_process(threads: int, deterministic: bool = True) -> None:
    """Fix the CPU threads of this process, and let CUDA be deterministic where a recipe asks for it.

    Call it first thing in a worker: cuBLAS reads its workspace setting only once, when CUDA starts. The setting costs
    nothing to recipes that are not deterministic, so a process that trains both kinds calls this with True.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import torch

    torch.set_num_threads(threads)
