"""The signals that ask a driver to stop: recorded when they come, acted on when the driver looks.

A handler runs between any two steps of the program, even in the middle of a write, so it only records the signal.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Self

_REASONS = {
    signal.SIGINT: "interrupted (interrupt again to stop at once)",
    signal.SIGTERM: "terminated (SIGTERM)",
    signal.SIGHUP: "terminated (SIGHUP: the terminal was closed)",
}


class StopSignals:
    """A context in which SIGINT, SIGTERM and SIGHUP ask for a stop. Use it in the main thread.

    A further SIGINT raises KeyboardInterrupt: it stops at once. Further SIGTERMs and SIGHUPs change nothing: on Slurm
    they come both from Slurm itself and from the head's job, and a closing terminal sends both. SIGHUP stays ignored
    if it was ignored, as under nohup.

    Attributes:
        reason: why to stop, for display; None until a signal arrives.
    """

    def __init__(self) -> None:
        self.reason: str | None = None

    def __enter__(self) -> Self:
        wanted = [number for number in _REASONS if number != signal.SIGHUP or not _hangups_are_ignored()]
        self._before = {number: signal.signal(number, self._note) for number in wanted}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.reason is None:
            self.reason = _REASONS[signal.Signals(number)]
        elif number == signal.SIGINT:
            raise KeyboardInterrupt


def _hangups_are_ignored() -> bool:
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
