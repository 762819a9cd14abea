"""What follows from failures beyond a trial's attempts, which `fdt_core/trial/attempts.py` counts."""

from __future__ import annotations

from collections.abc import Sequence

DEATHS_WITHOUT_PROGRESS = 3
"""A trial counts as crashed once its process has died this many times without a new checkpoint in between."""

BUSY_LIMIT_SECONDS = 300.0
"""A device counts as failed if other processes have used it for so long whenever a trial tried."""

BREAKER_TRIALS = 3
"""A model, template and variant are held back once this many of their trials were given up and none has finished."""


def is_held_back(*, given_up: int, finished: int) -> bool:
    """Whether the other trials of a model, template and variant are held back, given how its trials have ended."""
    return given_up >= BREAKER_TRIALS and not finished


def needs_whole_device(failures: Sequence[str]) -> bool:
    """Whether the next attempt must have a device to itself: it ran out of memory before."""
    return "oom" in failures
