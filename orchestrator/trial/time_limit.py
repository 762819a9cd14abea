"""A trial's time limit, which holds even if its process hangs in native code."""

from __future__ import annotations

import faulthandler
from pathlib import Path
from typing import TextIO

_NAME = "time-limit.txt"


class TimeLimit:
    """Ends this process when the time is up, with the tracebacks of all its threads written to the trial's directory.

    The timer is a native thread that needs no interpreter lock (faulthandler.dump_traceback_later). One at a time may
    run in a process.

    Args:
        directory: the trial's checkpoint directory.
        seconds: the limit; None = none.
    """

    def __init__(self, directory: Path, seconds: float | None) -> None:
        self._directory = directory
        self._seconds = seconds
        self._file: TextIO | None = None

    def start(self) -> None:
        """Start to count."""
        if self._seconds is not None and self._file is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._file = (self._directory / _NAME).open("w")
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._file)

    def stop(self) -> None:
        """The trial has ended in time."""
        if self._file is not None:
            faulthandler.cancel_dump_traceback_later()
            self._file.close()
            self._file = None
            (self._directory / _NAME).unlink(missing_ok=True)


def take_expiry(directory: Path) -> str | None:
    """What the time limit wrote when it ended the trial's process; None if it did not. Returned only once."""
    path = directory / _NAME
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    path.unlink()
    return text or None
