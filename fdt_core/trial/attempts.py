"""How many failed attempts a trial may have; the kinds of failure are those of the column `failure_kind`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ATTEMPTS = {"error": 2, "oom": 2, "crash": 1, "device": 3}
"""For each failure kind, the number of failed attempts after which a trial is given up."""


def given_up(failures: Sequence[str]) -> bool:
    """Whether a trial with these failed attempts may not try again."""
    counts = Counter(failures)
    return any(counts[kind] >= limit for kind, limit in ATTEMPTS.items())
