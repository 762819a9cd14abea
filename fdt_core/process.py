"""Settings of a training process that must be made before torch is imported or CUDA starts."""

from __future__ import annotations

import os


def prepare_process(threads: int) -> None:
    """Fix the CPU threads of this process, and make it possible that CUDA computes deterministically.

    Call it first thing in a worker: OpenMP reads its variable when torch is imported, cuBLAS its own when CUDA starts.
    The latter costs trainings that are not deterministic nothing but 32 MB.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import torch

    torch.set_num_threads(threads)
