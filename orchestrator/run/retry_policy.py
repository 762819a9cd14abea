"""How often a trial may try again after each kind of failure; the kinds are in `orchestrator/trial/outcome.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ATTEMPTS = {"error": 2, "oom": 2, "crash": 1, "device": 3}
"""For each failure kind, the number of failed attempts after which a trial is given up."""

DEATHS_WITHOUT_PROGRESS = 3
"""A trial counts as crashed once its process has died this many times without a new checkpoint in between."""

BUSY_REPORTS = 30
"""A device counts as failed after this many consecutive reports that it is in use."""


BREAKER_TRIALS = 3
"""A model, template and variant are held back once this many of their trials were given up and none has finished."""


def is_held_back(*, given_up: int, finished: int) -> bool:
    """Whether the other trials of a model, template and variant are held back, given how its trials have ended."""
    return given_up >= BREAKER_TRIALS and not finished


def given_up(failures: Sequence[str]) -> bool:
    """Whether a trial with these failed attempts may not try again."""
    counts = Counter(failures)
    return any(counts[kind] >= limit for kind, limit in ATTEMPTS.items())


def needs_whole_device(failures: Sequence[str]) -> bool:
    """Whether the next attempt must have a device to itself: it ran out of memory before."""
    return "oom" in failures
