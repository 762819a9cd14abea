"""Settings of a training process that must be made before torch is imported or CUDA starts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def prepare_process(threads: int) -> None:
    """Fix the CPU threads of this process, and make it possible that CUDA computes deterministically.

    Call it first thing in a worker: OpenMP reads its variable when torch is imported, cuBLAS its own when CUDA starts,
    torch's compiler its own at the first compilation (it would start up to 32 processes on a large node).
    Deterministic cuBLAS costs trainings that are not deterministic nothing but 32 MB.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import torch

    torch.set_num_threads(threads)


def compiler_caches(directory: Path) -> dict[str, str]:
    """The environment that makes torch's compiler and Triton keep what they compile below `directory`.

    It must belong to this user alone: what lies there is loaded and run. Their defaults are predictable names below
    /tmp, which a stranger can make first and fill.
    """
    return {"TORCHINDUCTOR_CACHE_DIR": str(directory / "inductor"), "TRITON_CACHE_DIR": str(directory / "triton")}


@contextlib.contextmanager
def process_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """This process's environment replaced by `wanted` for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def private_compiler_caches() -> Iterator[None]:
    """For training outside a Ray node: what torch compiles meanwhile is kept in a private directory, then removed."""
    with (
        tempfile.TemporaryDirectory(prefix="fdt-compiled-") as directory,
        process_environment(os.environ | compiler_caches(Path(directory))),
    ):
        yield
