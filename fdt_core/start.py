"""Start the command line, or any module of the installation, protected from the user's folder and shell.

Two entry points: the command `fdt-sweep` calls `command_line`; Slurm jobs, and the processes that a head job starts,
run `python -P -m fdt_core.start MODULE [ARGUMENT ...]`.

PYTHONPATH may hold a file named like any module, `orchestrator.py` for example. Until `put_installation_first` has
run, only this package and modules that the interpreter has loaded already may be imported. So all other imports are
inside functions, and the module to start is given by name: that also keeps this package free of imports from the
packages above it.
"""

from __future__ import annotations

import codecs
import os
import sys

from fdt_core.import_path import put_installation_first

TYPE_CHECKING = False  # not typing's: see above
if TYPE_CHECKING:
    from typing import NoReturn

_COMMAND_LINE = "orchestrator.cli.boundary"
"""The module whose `run_command_line` runs `fdt-sweep` and returns its exit code."""

_SUBSTITUTES = {"±": "+-", "↓": "v", "Δ": "d", "†": "+", "‡": "#", "§": "S", "…": "..."}
"""Replacements for the signs in tables that the terminal's encoding lacks."""


def command_line() -> NoReturn:
    """Run the command `fdt-sweep` and exit with its exit code; handles Ctrl-C even while the commands are imported."""
    try:
        _protect()
        import importlib

        status = importlib.import_module(_COMMAND_LINE).run_command_line()
    except KeyboardInterrupt:
        from fdt_core.exit_codes import ExitCode

        print("fdt-sweep: interrupted", file=sys.stderr)
        status = ExitCode.STOPPED
    sys.exit(status)


def main() -> None:
    """Run the module that the first argument names, as `python -m` does; it gets the remaining arguments."""
    _protect()
    import runpy

    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _protect() -> None:
    put_installation_first()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend cannot be imported here, or has no notebook to draw in
    name_unknown_user(os.getuid())
    codecs.register_error("fdt_substitute", _substitute)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None if the parent process closed it
            stream.reconfigure(errors="fdt_substitute")  # type: ignore[union-attr]  # a real file, not a test's


def name_unknown_user(user_id: int) -> None:
    """Set a name and a home for a user id without an account, as in containers: libraries fail if they find none."""
    import pwd

    try:
        pwd.getpwuid(user_id)
    except KeyError:
        os.environ.setdefault("LOGNAME", str(user_id))
        os.environ.setdefault("HOME", "/nonexistent")


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that the encoding lacks; half a character of a file name becomes `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(character, "?") for character in lacking), error.end


if __name__ == "__main__":
    main()
