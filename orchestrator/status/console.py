"""What a running sweep shows on stderr: plain lines and, on a terminal, a live display below them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from orchestrator.run.backlog import Progress
from orchestrator.status.live_display import LinesAbove, LiveDisplay
from orchestrator.status.status_writer import RunningTrial

_SHOWN = 12
"""Running trials in the live display; the rest are counted."""

_BAR = 40
"""Columns of the bar over all cells."""


class Console:
    """A context: `say` prints a line, `show` redraws the live display (and does nothing without a terminal).

    On a terminal, everything else that is printed on stdout and stderr meanwhile appears above the display.

    Args:
        stream: where to print; stderr as it is now by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = LiveDisplay(self._stream, _size_of(self._stream)) if _can_redraw(self._stream) else None
        self._redirected = ExitStack()

    def __enter__(self) -> Self:
        if self._live:
            for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
                if stream.isatty():
                    above = LinesAbove(self._live, stream)
                    self._redirected.callback(above.finish)
                    self._redirected.enter_context(redirect(above))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redirected.close()
        if self._live:
            self._live.show([])

    def say(self, line: str) -> None:
        """Print one line."""
        if self._live:
            self._live.say(line)
        else:
            print(line, file=self._stream, flush=True)

    def show(self, progress: Progress, running: Sequence[RunningTrial]) -> None:
        """Redraw the live display."""
        if self._live:
            self._live.show(display(progress, running))


@contextmanager
def silent_stdout() -> Iterator[None]:
    """Discard what is printed on stdout meanwhile: Ray prints a paragraph there for every process that dies."""
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
        yield


def display(progress: Progress, running: Sequence[RunningTrial]) -> list[str]:
    """A bar over all cells and a line for each running trial."""
    filled = _BAR * progress.ended // max(1, progress.asked)
    spared = f"  spared {progress.spared}" if progress.spared else ""
    spared += f"  stopped by tuning {progress.stopped}" if progress.stopped else ""
    counts = f"{progress.ended}/{progress.asked}  failed {progress.failed}  running {len(running)}{spared}"
    more = [f"... and {len(running) - _SHOWN} more"] if len(running) > _SHOWN else []
    return [f"{'#' * filled}{'-' * (_BAR - filled)} {counts}", *_aligned(map(_words, running[:_SHOWN])), *more]


def _words(trial: RunningTrial) -> list[str]:
    spec = trial.cell.spec
    return [
        trial.cell.label,
        f"epoch {trial.epoch}/{spec.recipe.epochs}",
        "" if trial.test_accuracy is None else f"{trial.test_accuracy:.2f} %",
        "" if trial.images_per_second is None else f"{trial.images_per_second:.0f} images/s",
    ]


def _aligned(rows: Iterator[list[str]]) -> list[str]:
    """The rows as lines with aligned columns."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def _can_redraw(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def _size_of(stream: TextIO) -> Callable[[], os.terminal_size]:
    """A function that asks the terminal for its size; 80 x 24 if it does not know it or was closed."""

    def size() -> os.terminal_size:
        try:
            columns, rows = os.get_terminal_size(stream.fileno())
        except OSError:
            columns, rows = 0, 0
        return os.terminal_size((columns or 80, rows or 24))

    return size
