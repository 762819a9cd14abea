"""The failure table: what each way of ending means, and how often a trial may try again.

| what happened                              | kind     | what follows                                             |
|--------------------------------------------|----------|----------------------------------------------------------|
| worker, job or node gone, or told to drain | (lost)   | free: resumed from its checkpoint; no row                |
| process ended before it had begun          | (lost)   | free: started again; nothing else for long: exit 3       |
| process died alone on a living node        | crash    | resumed; the third death without progress: a failed row  |
| device out of memory                       | oom      | a failed row, one retry alone on a whole device          |
| loss not finite                            | diverged | a scientific result: a row, no retry                     |
| device or driver error                     | device   | a failed row; two retries, elsewhere where possible      |
| exception in code or data, time limit      | error    | a failed row, one retry                                  |
| data gone or changed, storage full or gone | (environment) | no row: the sweep ends and says why (exit 3)        |
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from fdt_core.errors import EnvironmentProblem

Outcome = Literal["done", "diverged", "drained", "environment", "crash", "oom", "device", "error"]
"""How a step of a trial can end it. `drained` and `environment` are no ends of the trial: it is run again later."""

FINISHED = ("done", "diverged")
"""The statuses with which a trial has a result."""

ATTEMPTS = {"error": 2, "oom": 2, "crash": 1, "device": 3}
"""For each failure kind, the number of failed attempts after which a trial is given up."""

DEATHS_WITHOUT_PROGRESS = 3
"""A process that dies so often without a new checkpoint in between has crashed for good."""


def given_up(failures: Sequence[str]) -> bool:
    """Whether a trial with these failed attempts may not try again."""
    counts = Counter(failures)
    return any(counts[kind] >= limit for kind, limit in ATTEMPTS.items())


def needs_whole_device(failures: Sequence[str]) -> bool:
    """Whether the next attempt must have a device to itself: it ran out of memory before."""
    return "oom" in failures


def classify(error: BaseException) -> Outcome:
    """The outcome of a trial whose training raised `error`: environment, oom, device or error."""
    import torch

    if isinstance(error, EnvironmentProblem) or (isinstance(error, OSError) and error.errno in _STORAGE_ERRORS):
        return "environment"
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return "oom"
    if isinstance(error, torch.AcceleratorError) or any(sign in text for sign in _DEVICE_SIGNS):
        return "device"
    return "error"


_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
_DEVICE_SIGNS = ("CUDA error", "CUDA driver", "cuDNN error", "CUBLAS_STATUS", "ECC error", "No CUDA GPUs", "NVML")
