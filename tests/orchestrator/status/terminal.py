"""A small terminal emulator: what a person sees of the control codes that a program writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CODE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


@dataclass
class _Row:
    text: str = ""
    goes_on: bool = False
    """Whether the line was too long and continues in the next row."""


@dataclass
class Terminal:
    """A screen and what has scrolled off it.

    Args:
        columns, lines: its size.
        reflows: whether a change of the size wraps lines again (as in VTE, kitty, iTerm2, tmux), or cuts them (xterm).
    """

    columns: int
    lines: int
    reflows: bool
    rows: list[_Row] = field(default_factory=lambda: [_Row()])
    row: int = 0
    column: int = 0
    top: int = 0

    def write(self, text: str) -> None:
        """Show what a program has written; a line break also returns, as a terminal driver makes it."""
        at = 0
        while at < len(text):
            if code := _CODE.match(text, at):
                self._obey(code[3], int(code[2] or 1) if code[2].isdigit() or not code[2] else 0)
                at = code.end()
                continue
            if text[at] == "\n":
                self._next_row()
                self.column = 0
            elif text[at] == "\r":
                self.column = 0
            else:
                assert text[at].isprintable(), f"not expected: {text[at]!r}"
                self._put(text[at])
            at += 1

    def resize(self, columns: int, lines: int) -> None:
        """A person drags the window's corner."""
        if (columns, lines) == (self.columns, self.lines):
            return
        if self.reflows:
            self._wrap_again(columns)
        else:
            for row in self.rows:
                row.text, row.goes_on = row.text[:columns], False
        if lines > self.lines or self.reflows:
            self.top = min(self.top, max(0, len(self.rows) - lines))  # what has scrolled off comes back
        self.columns, self.lines = columns, lines
        self.column = min(self.column, columns - 1)
        self.top = max(self.top, self.row - lines + 1)

    def screen(self) -> list[str]:
        """The rows that are visible, without empty ones at the end."""
        return "\n".join(row.text.rstrip() for row in self.rows[self.top : self.top + self.lines]).rstrip().split("\n")

    def history(self) -> str:
        """All that was ever shown and not erased."""
        return "".join(row.text + ("" if row.goes_on else "\n") for row in self.rows)

    def _put(self, letter: str) -> None:
        if self.column == self.columns:
            self.rows[self.row].goes_on = True
            self._next_row()
            self.column = 0
        row = self.rows[self.row]
        row.text = row.text[: self.column].ljust(self.column) + letter + row.text[self.column + 1 :]
        self.column += 1

    def _next_row(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append(_Row())
        self.top = max(self.top, self.row - self.lines + 1)

    def _obey(self, code: str, number: int) -> None:
        if code == "A":
            self.row = max(self.top, self.row - number)
        elif code == "J":
            del self.rows[self.row + 1 :]
            self.rows[self.row] = _Row(self.rows[self.row].text[: self.column])
        elif code == "K":
            self.rows[self.row] = _Row(self.rows[self.row].text[: self.column] if number != 2 else "")
        elif code not in ("m", "h", "l"):
            raise AssertionError(f"not expected: {code}")

    def _wrap_again(self, columns: int) -> None:
        """Wrap every line for the new width; the cursor stays at its letter."""
        rows: list[_Row] = []
        cursor = (0, 0)
        line, offset = "", None
        for index, row in enumerate(self.rows):
            if index == self.row:
                offset = len(line) + self.column
            line += row.text
            if row.goes_on:
                continue
            parts = [line[start : start + columns] for start in range(0, len(line), columns)] or [""]
            if offset is not None:
                down = min(offset // columns, len(parts) - 1)
                cursor, offset = (len(rows) + down, offset - down * columns), None
            rows += [_Row(part, goes_on=part is not parts[-1]) for part in parts[:-1]] + [_Row(parts[-1])]
            line = ""
        self.rows, (self.row, self.column) = rows, cursor
