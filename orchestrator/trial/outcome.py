"""The failure table: what each way of ending means; how often it is tried again is in `fdt_core/trial/attempts.py`.

| what happened                              | kind     | what follows                                             |
|--------------------------------------------|----------|----------------------------------------------------------|
| worker, job or node gone, or draining       | (lost)   | free: resumed from its checkpoint; no row                |
| process ended before its trial started      | (lost)   | free: started again; nothing else for long: exit 3       |
| device in use by another process           | (busy)   | free: tried again every 10 s; after 5 minutes: device    |
| process died alone on a living node        | crash    | resumed; the third death without progress: a failed row  |
| device out of memory                       | oom      | a failed row, one retry alone on a whole device          |
| the rung of a candidate in tuning reached  | stopped  | a row with its epoch; it goes on if the rung says so     |
| loss not finite                            | diverged | a scientific result: a row, no retry                     |
| device or driver error                     | device   | a failed row; two retries; the devices are examined      |
| exception in code or data, time limit      | error    | a failed row, one retry                                  |
| data gone or changed, storage full or gone | (environment) | no row: the sweep ends and reports why (exit 3)     |
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a step of a trial can end its attempt. The values are those of `status` and `failure_kind` in the results."""

    DONE = "done"
    DIVERGED = "diverged"
    STOPPED = "stopped"
    DRAINED = "drained"
    BUSY = "busy"
    ENVIRONMENT = "environment"
    CRASH = "crash"
    OOM = "oom"
    DEVICE = "device"
    ERROR = "error"


NO_END = frozenset({Outcome.DRAINED, Outcome.BUSY, Outcome.ENVIRONMENT})
"""The outcomes after which the attempt is not over: no row is written, and the trial is run again."""

FINISHED = frozenset({Outcome.DONE, Outcome.DIVERGED})
"""The outcomes with which a trial has a result."""

NOT_FAILED = FINISHED | {Outcome.STOPPED}
"""The outcomes of an attempt that did what it was to do."""

BUSY_SECONDS = 10.0
"""After this many seconds, a trial whose device is in use by another process is tried again."""
