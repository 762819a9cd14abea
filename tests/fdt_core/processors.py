"""Environments for processes that compute as on another processor and detect memory errors."""

from __future__ import annotations

import os
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
HAS_AVX512 = _CPUINFO.exists() and "avx512f" in _CPUINFO.read_text()


def like(processor: str) -> dict[str, str]:
    """The environment of a process whose convolutions use the kernels for `processor`: AVX2, ..., or DEFAULT.

    glibc aborts it if memory was written out of bounds, and fills new memory with numbers near 1e38 (mallopt(3)).
    """
    return os.environ | {
        "ONEDNN_MAX_CPU_ISA": processor,
        "OMP_NUM_THREADS": "1",
        "LD_PRELOAD": "libc_malloc_debug.so.0",
        "MALLOC_CHECK_": "3",
        "MALLOC_PERTURB_": "1",
    }
