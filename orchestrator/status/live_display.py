"""Lines at the bottom of a terminal that are redrawn in place, with other lines printed above them.

Redrawing goes up by as many rows as were drawn and erases from there. When the terminal's size changes, that count is
wrong: most terminals rewrap the lines on the screen, some (xterm) do not, and none reports which it does. So after a
change the display goes up by the larger count, over lines printed above if need be, and prints those again. Lines that
other programs printed are erased only if they are within that range.
"""

from __future__ import annotations

import io
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.cells import cell_len, set_cell_size

_REMEMBERED = 500
"""How many lines above can be printed again: more than a screen holds."""


class LiveDisplay:
    """The display on one terminal. Calls may come from several threads.

    Args:
        stream: where to write.
        size: returns the terminal's columns and rows; called before each write.
    """

    def __init__(self, stream: TextIO, size: Callable[[], os.terminal_size]) -> None:
        self._stream = stream
        self._ask_size = size
        self._size = size()
        self._said: deque[str] = deque(maxlen=_REMEMBERED)
        self._drawn: list[str] = []
        self._scrolled_off = False
        """Whether rows of the display may have scrolled off the top: a larger screen may bring them back."""
        self._lock = threading.RLock()

    def say(self, text: str) -> None:
        """Print lines above the display."""
        with self._lock:
            erasing, lines = self._erasing(), text.expandtabs().split("\n")
            self._said.extend(lines)
            self._write(erasing, lines)

    def show(self, lines: Sequence[str]) -> None:
        """Replace the display with `lines`; each is cut to the terminal's width, and all of them to its height."""
        with self._lock:
            erasing = self._erasing()
            self._drawn = list(lines)
            self._write(erasing, [])

    def _write(self, erasing: str, lines: Sequence[str]) -> None:
        """Erase, print the lines, and redraw the display, in one write."""
        columns, rows = self._size
        # The last column stays free: after writing into it, a terminal is in this row or in the next.
        self._drawn = [_cut(line, columns - 1) for line in self._drawn[: rows - 1]]
        self._stream.write(erasing + "".join(f"{line}\n" for line in (*lines, *self._drawn)))
        self._stream.flush()

    def _erasing(self) -> str:
        """The text that erases the drawn lines, and prints again the other lines that are erased with them."""
        before, self._size = self._size, self._ask_size()
        if self._size == before:
            return _erase_above(len(self._drawn))
        if not self._drawn and not self._scrolled_off:
            return ""
        sizes = (before, self._size)
        height = max(size.lines for size in sizes)
        narrow, wide = sorted(size.columns for size in sizes)
        most, least = sum(_rows(line, narrow) for line in self._drawn), len(self._drawn)
        self._scrolled_off = self._scrolled_off or most >= min(size.lines for size in sizes)
        again: list[str] = []
        for line in reversed(self._said):
            if least >= height:
                break  # lines further up are not on the screen
            most, least = most + _rows(line, narrow), least + _rows(line, wide)
            again.insert(0, line)
        return _erase_above(height if self._scrolled_off else most) + "".join(f"{line}\n" for line in again)


class LinesAbove(io.TextIOBase):
    """A stream whose lines are printed above a display: it replaces stdout or stderr meanwhile."""

    def __init__(self, display: LiveDisplay, stream: TextIO) -> None:
        self._display = display
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Print the complete lines; the rest waits for its line break."""
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            self._display.say("\n".join(lines))
        return len(text)

    def finish(self) -> None:
        """Print the rest."""
        if self._rest:
            self.write("\n")

    def fileno(self) -> int:
        """That of the stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        """That of the stream."""
        return self._stream.encoding


def _erase_above(rows: int) -> str:
    """Control codes: go up, at most to the top of the screen, and erase from there to its end."""
    return f"\r\x1b[{rows}A\x1b[J" if rows else ""


def _rows(line: str, width: int) -> int:
    """The rows that a line takes on a terminal of this width."""
    return max(1, math.ceil(cell_len(line) / width))


def _cut(line: str, width: int) -> str:
    return line if cell_len(line) <= width else set_cell_size(line, width)
