"""What errors of devices, libraries and code mean, and what becomes of the process that met them."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
import torch

from fdt_core.errors import EnvironmentProblem
from orchestrator.trial.error_kinds import Failure, classify
from orchestrator.trial.outcome import Outcome

SUFFIX = """
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""


def accelerator_error(number: int, text: str = "CUDA error: words that mean nothing") -> torch.AcceleratorError:
    """As torch raises it where a call of the CUDA runtime fails."""
    error = torch.AcceleratorError(text + SUFFIX)
    error.__dict__["error_code"] = number
    return error


@pytest.mark.parametrize(
    ("number", "outcome", "ends_process"),
    [
        (2, Outcome.OOM, False),
        (46, Outcome.BUSY, True),
        (216, Outcome.BUSY, True),
        (98, Outcome.ERROR, True),
        (700, Outcome.ERROR, True),
        (710, Outcome.ERROR, True),
        (716, Outcome.ERROR, True),
        (1, Outcome.ERROR, True),
        (9, Outcome.ERROR, True),
        (701, Outcome.ERROR, True),
        (715, Outcome.ERROR, True),
        (100, Outcome.DEVICE, True),
        (209, Outcome.DEVICE, True),
        (214, Outcome.DEVICE, True),
        (719, Outcome.DEVICE, True),
        (795, Outcome.DEVICE, True),
        (802, Outcome.DEVICE, True),
        (809, Outcome.DEVICE, True),
        (999, Outcome.DEVICE, True),
    ],
)
def test_the_number_of_the_cuda_runtime_decides(number: int, outcome: Outcome, ends_process: bool) -> None:
    assert classify(accelerator_error(number)) == Failure(outcome=outcome, ends_process=ends_process)


def test_the_number_weighs_more_than_the_words() -> None:
    assert classify(accelerator_error(710, "CUDA error: out of memory")).outcome == Outcome.ERROR
    assert classify(accelerator_error(2, "CUDA error: device-side assert triggered")).outcome == Outcome.OOM


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
        "CUDA error: out of memory" + SUFFIX,
        "CUDA driver error: out of memory",
        "CUDA out of memory. Tried to allocate 20.00 MiB.",
        "CUDA ran out of memory outside PyTorch's allocator.",
        "GET was unable to find an engine to execute this computation",
        "FIND was unable to find an engine to execute this computation",
        "HIP error: out of memory\nHIP kernel errors might be asynchronously reported",
        "HIP out of memory. Tried to allocate 1.00 GiB.",
        "CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
        "MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB, max allowed: 9.07 GB).",
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 999999999999 bytes. Error code 12 (Cannot allocate memory)",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 4096 bytes.",
        "std::bad_alloc",
    ],
)
def test_whatever_ran_out_of_memory_says_so_in_its_own_words(text: str) -> None:
    assert classify(RuntimeError(text)) == Failure(outcome=Outcome.OOM)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("CUDA error: device-side assert triggered" + SUFFIX, Outcome.ERROR),
        ("CUDA error: an illegal memory access was encountered" + SUFFIX, Outcome.ERROR),
        ("CUDA driver error: misaligned address", Outcome.ERROR),
        ("CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasSgemm(...)`", Outcome.ERROR),
        ("cuDNN error: CUDNN_STATUS_BAD_PARAM", Outcome.ERROR),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", Outcome.BUSY),
        ("CUDA error: uncorrectable ECC error encountered", Outcome.DEVICE),
        ("CUDA error: unspecified launch failure", Outcome.DEVICE),
        ("CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasSgemm(...)`", Outcome.DEVICE),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", Outcome.DEVICE),
        ("HIP error: invalid device ordinal", Outcome.DEVICE),
        ("No CUDA GPUs are available", Outcome.DEVICE),
    ],
)
def test_other_errors_of_a_device_end_its_process_whoevers_fault_they_are(text: str, outcome: Outcome) -> None:
    assert classify(RuntimeError(text)) == Failure(outcome=outcome, ends_process=True)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("these widths do not please me"), Outcome.ERROR),
        (ValueError("a note on CUDA error codes"), Outcome.ERROR),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"), Outcome.ERROR),
        (torch.OutOfMemoryError("CUDA out of memory."), Outcome.OOM),
        (MemoryError(), Outcome.OOM),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), Outcome.OOM),
        (OSError(errno.ENOSPC, "No space left on device"), Outcome.ENVIRONMENT),
        (EnvironmentProblem("the data set has changed"), Outcome.ENVIRONMENT),
        (FileNotFoundError(errno.ENOENT, "No such file"), Outcome.ERROR),
    ],
)
def test_errors_of_code_and_machine_leave_the_process_as_it_is(error: Exception, outcome: Outcome) -> None:
    assert classify(error) == Failure(outcome=outcome)


def test_a_wrapped_error_is_known_by_what_led_to_it() -> None:
    def wrapped(inner: Exception, *, explicitly: bool) -> Exception:
        try:
            try:
                raise inner
            except Exception as cause:
                if explicitly:
                    raise ValueError("the forward pass failed") from cause
                raise ValueError("the forward pass failed")  # noqa: B904 - as careless code does
        except ValueError as outer:
            return outer

    for explicitly in (True, False):
        assert classify(wrapped(accelerator_error(710), explicitly=explicitly)) == Failure(
            outcome=Outcome.ERROR, ends_process=True
        )
        assert classify(wrapped(torch.OutOfMemoryError("no"), explicitly=explicitly)).outcome == Outcome.OOM
    hidden = wrapped(accelerator_error(214), explicitly=False)
    hidden.__suppress_context__ = True
    assert classify(hidden) == Failure(outcome=Outcome.ERROR)


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert classify(first) == Failure(outcome=Outcome.ERROR)


@pytest.mark.process
def test_a_real_allocation_that_fails_on_the_cpu() -> None:
    code = (
        "import torch\nfrom orchestrator.trial.error_kinds import classify\n"
        "try: torch.empty(2**50, dtype=torch.uint8)\n"
        "except Exception as error: print(classify(error).outcome)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert shown.stdout.strip() == "oom", shown.stderr
