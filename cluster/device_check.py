"""Whether a job has the device that its profile promises, asked of torch in a process that ends again."""

from __future__ import annotations

import json
import subprocess
import sys

from cluster.profile import ClusterProfile

_SECONDS = 120
_LARGEST_SHARE_IN_USE = 0.2
"""Of a device's memory, before any trial has begun: contexts of drivers and monitors take less."""

_PROBE = """
import json, torch
found = []
for index in range(torch.cuda.device_count()):
    free, total = torch.cuda.mem_get_info(index)
    torch.ones(1, device=f"cuda:{index}").item()
    found.append([torch.cuda.get_device_name(index), free, total])
print(json.dumps(found))
"""


class DeviceMissing(Exception):
    """The job has not the devices that its profile promises; the message says what was found."""


def devices_of(profile: ClusterProfile) -> tuple[str, ...]:
    """Names of the job's CUDA devices, each tried with one operation; none for a profile of the CPU.

    Raises DeviceMissing where there are fewer than the profile asks for or one does not work (a sweep never falls back
    to the CPU in silence), or where somebody else, or what a dead job left behind, holds the memory of one.
    """
    if profile.device != "cuda":
        return ()
    try:
        probe = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceMissing(f"CUDA did not answer within {_SECONDS} s") from error
    if probe.returncode:
        raise DeviceMissing(f"CUDA does not work: {(probe.stderr.strip().splitlines() or ['no message'])[-1]}")
    found = json.loads(probe.stdout.splitlines()[-1])
    if len(found) < (profile.gpus_per_node or 0):
        raise DeviceMissing(f"the profile asks for {profile.gpus_per_node} CUDA devices, torch sees {len(found)}")
    for index, (name, free, total) in enumerate(found):
        if total - free > _LARGEST_SHARE_IN_USE * total:
            in_use = f"{(total - free) / 2**30:.1f} of {total / 2**30:.1f} GiB"
            raise DeviceMissing(f"{in_use} of CUDA device {index} ({name}) are in use before any trial has begun")
    return tuple(name for name, _, _ in found)
