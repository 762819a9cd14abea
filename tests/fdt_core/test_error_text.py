"""The informative line of errors as torch and Python write them."""

from __future__ import annotations

import traceback

import pytest

from fdt_core.error_text import informative_line

ASSERT = """\
CUDA error: device-side assert triggered
Search for `cudaErrorAssert' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more.
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""
HIP = """\
HIP error: out of memory
HIP kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing AMD_SERIALIZE_KERNEL=3
Device-side assertion tracking was not enabled by user.
"""
CPP = """\
CUDA error: an illegal memory access was encountered
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.

Exception raised from c10_cuda_check_implementation at /pytorch/c10/cuda/CUDAException.cpp:43 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f in libc10.so)
frame #1: <unknown function> + 0x1a2b (0x7f in libtorch_cuda.so)
"""
COMPILED = """\
Traceback (most recent call last):
  File "train.py", line 3, in step
    logits = self._forward(pixels)
             ^^^^^^^^^^^^^^^^^^^^^
torch._inductor.exc.InductorError: backend='inductor' raised:
RuntimeError: no C compiler

from user code:
   File "models.py", line 9, in forward
    return self.layers(pixels)

Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace (please do this especially if you're reporting a bug to PyTorch).

You can suppress this exception and fall back to eager by setting:
    import torch._dynamo
    torch._dynamo.config.suppress_errors = True
"""
WATCHDOG = """\
Timeout (0:00:20)!
Thread 0x00007f (most recent call first):
  File "misbehaving.py", line 37 in hangs
  File "train.py", line 9 in step
time limit of 20 s exceeded"""
OOM = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("  \n ", ""),
        ("one line", "one line"),
        (ASSERT, "CUDA error: device-side assert triggered"),
        (HIP, "HIP error: out of memory"),
        (CPP, "CUDA error: an illegal memory access was encountered"),
        (
            f'Traceback:\n  File "a.py", line 1, in f\n    x\ntorch.OutOfMemoryError: {OOM}',
            f"torch.OutOfMemoryError: {OOM}",
        ),
        (COMPILED, "torch._inductor.exc.InductorError: backend='inductor' raised: RuntimeError: no C compiler"),
        (WATCHDOG, "time limit of 20 s exceeded"),
        ("KeyError: 'layer'\nCompile with `TORCH_USE_CUDA_DSA` to enable", "KeyError: 'layer'"),
        (
            "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.",
            "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.",
        ),
        ("RuntimeError: mat1 and mat2 shapes:\n(3x4 and 5x6)", "RuntimeError: mat1 and mat2 shapes: (3x4 and 5x6)"),
    ],
)
def test_the_informative_line_is_found(text: str, line: str) -> None:
    assert informative_line(text) == line


def test_a_chain_of_errors_is_reported_by_the_last_one() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise RuntimeError(ASSERT) from inner
    except RuntimeError as error:
        text = "".join(traceback.format_exception(error))
    assert informative_line(text) == "RuntimeError: CUDA error: device-side assert triggered"


def test_a_message_of_several_lines_is_reported_by_its_first_line() -> None:
    try:
        raise ValueError("the first line says it\n  details\nmore details")
    except ValueError as error:
        text = "".join(traceback.format_exception(error))
    assert informative_line(text) == "ValueError: the first line says it"
