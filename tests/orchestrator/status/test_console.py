"""The live display on a terminal whose size changes: seen through an emulator, with lines cut or wrapped by it."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.status.live_display import LiveDisplay
from tests.orchestrator.status.terminal import Terminal

ROOT = Path(__file__).parents[3]
BAR = re.compile(r"#*-{20}")
LONG = "a long line: " + " ".join(f"word{number}" for number in range(20))


@dataclass
class Session:
    """A process with the console on a pseudo-terminal, and what a person sees of it."""

    process: subprocess.Popen[bytes]
    terminal: Terminal
    master: int
    commands: int
    acknowledged: int

    def do(self, command: str) -> list[str]:
        """Let the process take a step; returns the screen after it."""
        os.write(self.commands, f"{command}\n".encode())
        assert os.read(self.acknowledged, 1) == b"."
        self.terminal.write(self._output())
        return self.terminal.screen()

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size, in the kernel and for the eye."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.terminal.resize(columns, lines)

    def _output(self) -> str:
        """What the process has written until now; the kernel hands it over in pieces."""
        found = b""
        os.set_blocking(self.master, False)
        while True:
            try:
                piece = os.read(self.master, 65536)
            except BlockingIOError:
                return found.decode().replace("\r\n", "\n")
            found += piece


@contextmanager
def session(columns: int, lines: int, *, reflows: bool) -> Iterator[Session]:
    master, slave = pty.openpty()
    to_read, commands = os.pipe()
    acknowledged, to_write = os.pipe()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.orchestrator.status.display_process", str(to_read), str(to_write)],
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        pass_fds=(to_read, to_write),
    )
    try:
        yield Session(process, Terminal(columns, lines, reflows), master, commands, acknowledged)
    finally:
        process.kill()
        process.wait()
        for descriptor in (master, slave, to_read, commands, acknowledged, to_write):
            os.close(descriptor)


@pytest.mark.parametrize("reflows", [True, False])
def test_a_resized_terminal_shows_the_display_once_and_loses_no_line(reflows: bool) -> None:
    with session(120, 30, reflows=reflows) as seen:
        said = []
        for number, (columns, lines) in enumerate([(120, 30), (50, 30), (90, 12), (30, 30), (130, 30), (41, 9)]):
            seen.resize(columns, lines)
            said.append(f"line {number}")
            seen.do(f"say line {number}: {LONG}")
            screen = seen.do(f"show {number} 8")
            assert sum(bool(BAR.match(row)) for row in screen) == 1
            shown = min(9, lines - 1)
            assert BAR.match(screen[-shown])
            assert all(len(row) < columns for row in screen[-shown:])
            if columns > 60:
                assert f" {number}/24 " in screen[-shown]
        assert all(seen.terminal.history().count(line + ":") >= 1 for line in said)
        screen = seen.do("end")
        assert screen[-1] == "after the console"
        assert not any(BAR.match(row) for row in screen)


def test_what_else_is_printed_comes_above_the_display() -> None:
    with session(100, 30, reflows=True) as seen:
        seen.do("show 3 2")
        seen.do("print printed by somebody")
        screen = seen.do("warn mind this")
        assert screen[0] == "before the console"
        assert screen[1] == "printed by somebody"
        assert any("UserWarning: mind this" in row for row in screen[2:4])
        assert screen[-3].startswith("#####-----")
        assert screen[-3].endswith(" 3/24  failed 0  running 2")
        assert screen[-2].split()[-4:] == ["epoch", "1/6", "50.00", "%"]
        assert seen.do("end")[-1] == "after the console"


def test_lines_longer_than_the_terminal_are_cut_and_leave_nothing_behind() -> None:
    with session(40, 20, reflows=True) as seen:
        for ended in range(5):
            screen = seen.do(f"show {ended} 3")
        assert screen[0] == "before the console"
        assert len(screen) == 1 + 4
        assert all(len(row) <= 39 for row in screen)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("resize"), st.integers(8, 60), st.integers(3, 24)),
        st.tuples(st.just("say"), st.text("abc de", max_size=90), st.none()),
        st.tuples(st.just("show"), st.lists(st.text("xyz ", min_size=1, max_size=90), max_size=10), st.none()),
    ),
    max_size=20,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, reflows=st.booleans())
@pytest.mark.study
def test_after_any_steps_the_screen_ends_with_the_display_and_no_line_is_lost(
    steps: list[tuple[str, Any, Any]], reflows: bool
) -> None:
    terminal = Terminal(40, 12, reflows)
    stream = io.StringIO()
    display = LiveDisplay(stream, lambda: os.terminal_size((terminal.columns, terminal.lines)))
    drawn: list[str] = []
    said: list[str] = []

    def written() -> None:
        terminal.write(stream.getvalue())
        stream.seek(0)
        stream.truncate()

    for what, first, second in steps:
        if what == "resize":
            terminal.resize(first, second)
            continue
        if what == "say":
            said.append(f"<{len(said)}>")
            display.say(f"{said[-1]} {first}")
        else:
            drawn = [f"[{index}] {line}" for index, line in enumerate(first)]
            display.show(drawn)
        written()
        expected = [line[: terminal.columns - 1].rstrip() for line in drawn[: terminal.lines - 1]]
        screen = [row.text.rstrip() for row in terminal.rows[: terminal.row]]
        assert screen[len(screen) - len(expected) :] == expected
        assert sum(row.text.startswith("[0]") for row in terminal.rows[terminal.top :]) == (1 if expected else 0)
        assert all(line in terminal.history() for line in said)
        drawn = expected
    display.show([])
    written()
    assert not any(row.text.startswith("[") for row in terminal.rows[terminal.top :])
    positions = [terminal.history().rfind(line) for line in said]
    assert positions == sorted(positions)
