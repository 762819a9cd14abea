"""Whether a job has the device that its profile promises, asked of torch in a process that ends again."""

from __future__ import annotations

import json
import subprocess
import sys

from cluster.profile import ClusterProfile

_SECONDS = 120
_PROBE = """
import json, torch
names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
for index in range(len(names)):
    torch.ones(1, device=f"cuda:{index}").item()
print(json.dumps(names))
"""


class DeviceMissing(Exception):
    """The job has not the devices that its profile promises; the message says what was found."""


def devices_of(profile: ClusterProfile) -> tuple[str, ...]:
    """Names of the job's CUDA devices, each tried with one operation; none for a profile of the CPU.

    Raises DeviceMissing where there are fewer than the profile asks for or one does not work: a sweep never falls
    back to the CPU in silence.
    """
    if profile.device != "cuda":
        return ()
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceMissing(f"CUDA did not answer within {_SECONDS} s") from error
    if probe.returncode:
        raise DeviceMissing(f"CUDA does not work: {(probe.stderr.strip().splitlines() or ['no message'])[-1]}")
    names = tuple(json.loads(probe.stdout.splitlines()[-1]))
    if len(names) < (profile.gpus_per_node or 0):
        raise DeviceMissing(f"the profile asks for {profile.gpus_per_node} CUDA devices, torch sees {len(names)}")
    return names
