"""The time as jobs see it, in one value that tests replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Two clocks and a way to wait. All times are in seconds."""

    now: Callable[[], float] = time.time
    """Since the epoch: for moments that other machines read."""
    monotonic: Callable[[], float] = time.monotonic
    """Monotonic: for durations."""
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()
"""The clock of this machine."""
