"""What an error that a trial's training raised means.

Device errors are classified by their number if they carry one: `error_code` of torch.AcceleratorError is the
error of the CUDA runtime (NVIDIA, "CUDA Runtime API", enum cudaError; ROCm uses the same numbers). Those of libraries
(cuBLAS, cuDNN) and wrapped ones carry none and are classified by their text.

| number                         | words                                     | kind   | why                          |
|--------------------------------|-------------------------------------------|--------|------------------------------|
| 2                              | out of memory                             | oom    | an allocation outside torch's |
|                                | ..._ALLOC_FAILED, ..._NOT_INITIALIZED     | oom    | no memory for a handle       |
|                                | unable to find an engine                  | oom    | no memory for any            |
|                                | CUDNN_STATUS_INTERNAL_ERROR               | oom    | no memory to start cuDNN     |
| 46, 216                        | busy or unavailable                       | busy   | another process has the device |
| 98                             | invalid device function                   | error  | the trial's own kernel       |
| 700, 710, 716                  | illegal memory access, assert, misaligned | error  | the trial's own index        |
| 3, 35, 36, 100 to 103, 127     | no device, driver too old                 | device | CUDA did not start           |
| 209, 222                       | no kernel image is available              | device | torch was not built for it   |
| 214, 220, 226                  | uncorrectable ECC error                   | device | the hardware reports it      |
| 304, 719, 790 to 810, 909, 999 | unspecified launch failure, system, MPS   | device | driver, fabric or MPS server |
| any other                      | invalid argument, ...                     | error  | a wrong call                 |

After most of these errors every further call in the process fails with the same error ("the process must be terminated
and relaunched"), so a process with any of them but `oom` is replaced.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fdt_core.errors import EnvironmentProblem
from orchestrator.trial.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What an error means."""

    outcome: Outcome
    ends_process: bool = False
    """Whether no further trial can run in the process: its device refuses all further work there."""


def classify(error: BaseException) -> Failure:
    """What the `error` that a trial's training raised means; of a chain of errors, the outermost that is known."""
    return next(filter(None, map(_known, chain(error))), Failure(outcome=Outcome.ERROR))


def _known(error: BaseException) -> Failure | None:
    """What this error means by itself; None if it is an ordinary exception of code or data."""
    import torch

    if isinstance(error, EnvironmentProblem) or (isinstance(error, OSError) and error.errno in _STORAGE_ERRORS):
        return Failure(outcome=Outcome.ENVIRONMENT)
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return Failure(outcome=Outcome.OOM)
    if isinstance(error, torch.AcceleratorError) and isinstance(number := getattr(error, "error_code", None), int):
        return _of_number(number)
    return _of_words(str(error)) if isinstance(error, RuntimeError | OSError) else None


def _of_number(number: int) -> Failure:
    """What an error of the CUDA runtime means."""
    if number == _CUDA_OUT_OF_MEMORY:
        return Failure(outcome=Outcome.OOM)
    if number in _BUSY_NUMBERS:
        return Failure(outcome=Outcome.BUSY, ends_process=True)
    return Failure(outcome=Outcome.DEVICE if number in _DEVICE_NUMBERS else Outcome.ERROR, ends_process=True)


def _of_words(text: str) -> Failure | None:
    """What an error without a number means; a device error of which nothing more is known counts against the device."""
    if _OUT_OF_MEMORY.search(text):
        return Failure(outcome=Outcome.OOM)
    if not _DEVICE_SIGNS.search(text):
        return None
    number = next((number for words, number in _NUMBER_OF.items() if words in text), None)
    if number is not None:
        return _of_number(number)
    return Failure(outcome=Outcome.ERROR if _WRONG_CALL.search(text) else Outcome.DEVICE, ends_process=True)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it, as a traceback shows them, the outermost first."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)

_CUDA_OUT_OF_MEMORY = 2
_BUSY_NUMBERS = frozenset([46, 216])
_DEVICE_NUMBERS = frozenset(
    [3, 35, 36, 100, 101, 102, 103, 127, 209, 214, 220, 222, 226, 304, 719, *range(790, 811), 909, 999]
)

_NUMBER_OF = {
    "busy or unavailable": 46,
    "invalid device function": 98,
    "illegal memory access": 700,
    "device-side assert": 710,
    "misaligned address": 716,
    "illegal instruction": 715,
    "invalid argument": 1,
    "invalid configuration argument": 9,
    "too many resources requested": 701,
    "invalid resource handle": 400,
    "stream is capturing": 900,
}
"""Texts of the CUDA runtime (and ROCm's) for errors that do not count against the device."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory"  # CUDA, its driver, HIP, MPS, XPU
    r"|(can't|cannot|failed to) allocate memory|not enough memory: you tried to allocate|bad_alloc"  # the CPU
    r"|_ALLOC_FAILED|ALLOCATION_FAILED|rocblas_status_memory_error"
    r"|(CUBLAS|CUDNN|CUSOLVER|CUSPARSE|HIPBLAS)_STATUS_NOT_INITIALIZED"
    r"|CUDNN_STATUS_INTERNAL_ERROR\b"  # seen on a full H200; the same call worked once memory was freed
    r"|unable to find an engine",
    re.IGNORECASE,
)
_DEVICE_SIGNS = re.compile(
    r"CUDA error|CUDA driver|cuDNN error|(CUBLAS|CUDNN|CUSOLVER|CUSPARSE|CUFFT)_|ECC error|No CUDA GPUs|NVML"
    r"|HIP error|HIPBLAS_STATUS|rocblas_status|miopenStatus|No HIP GPUs"
)
_WRONG_CALL = re.compile(r"_(INVALID_VALUE|BAD_PARAM|NOT_SUPPORTED)\b|miopenStatusBadParm")
