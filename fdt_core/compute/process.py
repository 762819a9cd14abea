"""Settings of a training process that must be in place before torch is imported or CUDA starts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def prepare_process(threads: int) -> None:
    """Fix the number of CPU threads of this process, and enable deterministic CUDA.

    Call it first in a process that trains: OpenMP reads its variable when torch is imported, cuBLAS when CUDA starts,
    and torch's compiler at the first compilation (by default it starts up to 32 processes on a large node).
    Deterministic cuBLAS costs non-deterministic trainings only 32 MB.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import torch

    torch.set_num_threads(threads)


def compiler_caches(directory: Path) -> dict[str, str]:
    """The environment variables that make torch's compiler and Triton cache their output below `directory`.

    Only this user may be able to write there: the cached files are loaded and run. The default caches have predictable
    names below /tmp, which another user could create first and fill.
    """
    return {"TORCHINDUCTOR_CACHE_DIR": str(directory / "inductor"), "TRITON_CACHE_DIR": str(directory / "triton")}


@contextlib.contextmanager
def process_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Temporarily replace the environment of this process with `wanted`."""
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
    """Cache what torch compiles in a private temporary directory: for training outside a Ray node."""
    with (
        tempfile.TemporaryDirectory(prefix="fdt-compiled-") as directory,
        process_environment(os.environ | compiler_caches(Path(directory))),
    ):
        yield
