"""Examines the one CUDA device in CUDA_VISIBLE_DEVICES, and prints what it finds as a line of JSON.

Run as a script in a separate process: `python -P device_probe.py [--context]`. A process sees at most one MIG slice,
and hangs with its device. The script imports nothing but torch, so that it runs from anywhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import subprocess
import sys
from typing import IO, Any

_COMPUTE_MODE, _MAJOR, _MINOR = 20, 75, 76
"""Device attributes (CUDA driver API, enum CUdevice_attribute)."""
_EXCLUSIVE_PROCESS = 3
"""Compute mode in which only one process at a time may use a device (enum CUcomputemode)."""


def driver_facts() -> dict[str, Any]:
    """What the driver reports about itself and the device without a context, even if torch cannot use the device.

    Keys, as far as they are known: driver_cuda (the highest CUDA version that the driver can run, as 1000 x major +
    10 x minor), name, uuid (hexadecimal), capability, exclusive.
    """
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return {}
    facts: dict[str, Any] = {}
    number, device = ctypes.c_int(), ctypes.c_int()
    if cuda.cuDriverGetVersion(ctypes.byref(number)) == 0:
        facts["driver_cuda"] = number.value
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return facts

    def attribute(which: int) -> int:
        cuda.cuDeviceGetAttribute(ctypes.byref(number), which, device)
        return number.value

    name, uuid = ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)()
    cuda.cuDeviceGetName(name, len(name), device)
    # Only the second version reports the identifiers of MIG slices.
    getattr(cuda, "cuDeviceGetUuid_v2", cuda.cuDeviceGetUuid)(ctypes.byref(uuid), device)
    return facts | {
        "name": name.value.decode(errors="replace"),
        "uuid": bytes(uuid).hex(),
        "capability": [attribute(_MAJOR), attribute(_MINOR)],
        "exclusive": attribute(_COMPUTE_MODE) == _EXCLUSIVE_PROCESS,
    }


def torch_facts() -> dict[str, Any]:
    """The device's name and memory in bytes (keys name, free, total), after one operation; raises what torch raises."""
    import torch

    torch.ones(1, device="cuda").item()
    free, total = torch.cuda.mem_get_info(0)
    return {"name": torch.cuda.get_device_name(0), "free": free, "total": total}


def torch_build() -> dict[str, Any]:
    """The CUDA version that torch was built for (empty for other builds), and the architectures of its machine code."""
    import torch

    return {"torch_cuda": torch.version.cuda or "", "architectures": torch.cuda.get_arch_list()}


def occupy(orders: IO[str]) -> None:
    """Use the device like a training, so that another process can measure what this uses outside torch's allocator.

    Waits for a line of `orders`, prints the bytes that torch's allocator holds, and stays until `orders` ends.
    """
    import torch

    orders.readline()
    images = torch.randn(8, 16, 32, 32, device="cuda").to(memory_format=torch.channels_last)
    weights = torch.randn(16, 16, 3, 3, device="cuda", requires_grad=True)
    features = torch.nn.functional.conv2d(images, weights, padding=1).flatten(1)
    torch.autograd.backward((features @ features.T).sum())  # loads the kernels of cuDNN and of cuBLAS
    torch.cuda.synchronize()
    print(torch.cuda.memory_reserved(), flush=True)
    orders.read()


def context_bytes() -> int:
    """Bytes of the device that a second process uses outside its allocator, for its context, kernels and handles.

    It is the difference in free memory, so call it on an idle device, with a context in this process. 0 if the second
    process fails.
    """
    import torch

    command = [sys.executable, "-P", __file__, "--occupy"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as occupant:
        assert occupant.stdin is not None
        assert occupant.stdout is not None
        before = torch.cuda.mem_get_info(0)[0]
        with contextlib.suppress(BrokenPipeError):
            print("start", file=occupant.stdin, flush=True)
        allocated = occupant.stdout.readline()
        after = torch.cuda.mem_get_info(0)[0]
        with contextlib.suppress(BrokenPipeError):
            occupant.stdin.close()
    return max(before - after - int(allocated), 0) if allocated else 0


def look(*, measure_context: bool) -> dict[str, Any]:
    """All that can be found out; `fault` is what went wrong, `number` its error number in the CUDA runtime or None."""
    facts = driver_facts()
    try:
        facts |= torch_build()
        facts |= torch_facts()
        if measure_context and not facts.get("exclusive"):
            facts["context"] = context_bytes()
    except Exception as error:  # anything that torch raises is the answer
        facts |= {"fault": str(error) or type(error).__name__, "number": getattr(error, "error_code", None)}
    return facts


if __name__ == "__main__":
    if "--occupy" in sys.argv:
        occupy(sys.stdin)
    else:
        print(json.dumps(look(measure_context="--context" in sys.argv)), flush=True)
