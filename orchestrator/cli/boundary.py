"""The outermost layer of every command: every failure becomes one line on stderr and a documented exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO, cast

from fdt_core.errors import FdtError, Terminated
from fdt_core.exit_codes import ExitCode

_STDOUT = "standard output"


def run_command_line() -> int:
    """Run the command line `fdt-sweep`; returns its exit code. It imports the commands, so errors there are handled."""
    return exit_status(_run_app, verbose=bool({"-v", "--verbose"} & set(sys.argv[1:])))


def exit_status(run: Callable[[], int], *, verbose: bool) -> int:
    """The exit code that `run` returns, or that of what it raises, which is reported in one line.

    `verbose` also shows the traceback. Call it in the main thread: while it runs, SIGTERM and SIGHUP raise Terminated.
    """
    _open_missing_streams()
    sys.stdout = cast(TextIO, _NamedStream(sys.stdout))
    sys.stderr = cast(TextIO, _ForgivingStream(sys.stderr))
    try:
        with _unwinding_on_signals():
            status = _status_of_exit(run)
            sys.stdout.flush()
    except BaseException as error:
        status, line = _verdict(error)
        if verbose:
            traceback.print_exc()
        elif status == ExitCode.PROBLEM and not isinstance(error, FdtError | OSError):
            line += _whereabouts(error)
        if line:
            print(f"fdt-sweep: {_printable(line)}", file=sys.stderr)
    _give_up_closed_output()
    return status


def _run_app() -> int:
    from orchestrator.cli import app

    app(prog_name="fdt-sweep")
    return ExitCode.DONE


def _status_of_exit(run: Callable[[], int]) -> int:
    """The status with which `run` ends. What typer catches and turns into an exit is raised again."""
    try:
        return run()
    except SystemExit as ended:
        caught: BaseException | None = ended
        while caught is not None:
            if isinstance(caught, KeyboardInterrupt | BrokenPipeError):
                raise caught from None
            if isinstance(caught.__cause__, EOFError):  # raised by a command; a prompt without input has no cause
                raise caught.__cause__ from None
            caught = caught.__context__
        if ended.code == signal.SIGTERM:  # the handler that `ray.init` sets, before ours is back
            raise Terminated("SIGTERM") from None
        return int(ended.code or ExitCode.DONE)


def _verdict(error: BaseException) -> tuple[int, str]:
    """The exit code, and a line with the reason; empty if none is needed."""
    match error:
        case FdtError():
            return error.exit_code, f"error: {error}"
        # pydantic-core turns a Ctrl-C that arrives while it builds a validator into an error of its own.
        case BaseException() if isinstance(error, KeyboardInterrupt) or "\n  KeyboardInterrupt" in str(error):
            return ExitCode.STOPPED, "interrupted"
        case Terminated():
            return ExitCode.INTERRUPTED, f"terminated ({error})"
        case BrokenPipeError() if error.filename == _STDOUT:
            return ExitCode.DONE, ""  # such as `| head -1`: the reader wants no more
        case OSError() if error.strerror:
            names = [str(name) for name in (error.filename, error.filename2) if name is not None]
            return ExitCode.PROBLEM, ": ".join(["error", *([" -> ".join(names)] if names else []), error.strerror])
    kind = f"{type(error).__name__}: {error}".splitlines()[0] if str(error) else type(error).__name__
    return ExitCode.PROBLEM, f"error: unexpected {kind}; please report it, unless it comes from your own code"


def _whereabouts(error: BaseException) -> str:
    """Write the traceback to a temporary file; returns where to find it, for the message."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="fdt-sweep-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return " (-v shows the traceback)"
    return f" (traceback: {name})"


def _printable(text: str) -> str:
    """`text` with terminal control characters escaped; line breaks are kept."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


@contextlib.contextmanager
def _unwinding_on_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP unless it is ignored, raise Terminated instead of ending the process at once."""

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise Terminated(signal.Signals(number).name)

    numbers = [signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if number == signal.SIGTERM or before[number] is not signal.SIG_IGN:
            signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _NamedStream:
    """Standard output whose errors carry its name, to distinguish them from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`. Raises OSError with the name of standard output."""
        with _naming_output():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush. Raises OSError with the name of standard output."""
        with _naming_output():
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _naming_output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, _STDOUT) from error


class _ForgivingStream:
    """A stream whose errors are ignored: a sweep must not end because its stderr has lost its reader.

    A closed terminal gives EIO, a pipe without a reader EPIPE, a full disk ENOSPC.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` if possible."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _open_missing_streams() -> None:
    """Open /dev/null for each closed standard stream: else the next opened file would get its descriptor."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if descriptor == 0 else "w", closefd=False))  # noqa: SIM115 - stays


def _give_up_closed_output() -> None:
    """If stdout cannot be written, send the rest to /dev/null: Python would complain at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
