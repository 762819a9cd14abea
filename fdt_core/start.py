"""Start the command line, or any module of the installation, protected from the user's shell and folder.

`fdt-sweep` is `command_line`; jobs of Slurm, and processes that a head's job starts, are
`python -P -m fdt_core.start MODULE [ARGUMENT ...]`. Modules are imported by name and late: before
`put_installation_first`, a user's file could be found in the place of any of them.
"""

from __future__ import annotations

import codecs
import os
import sys
from typing import NoReturn

from fdt_core.import_path import put_installation_first

_PLAIN = {"±": "+-", "↓": "v", "Δ": "d", "†": "+", "‡": "#", "§": "S", "…": "..."}
"""What stands for the signs of our tables where the terminal's encoding has none."""


def command_line() -> NoReturn:
    """The command `fdt-sweep`; exits with its status. Ctrl-C is met while the commands are still imported, too."""
    try:
        _protect()
        import importlib

        status = importlib.import_module("orchestrator.cli.boundary").run_command_line()
    except KeyboardInterrupt:
        print("fdt-sweep: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def main() -> None:
    """Run the module that the first argument names as Python's `-m` does; the other arguments are its own."""
    _protect()
    import runpy

    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _protect() -> None:
    put_installation_first()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's cannot be imported, or has no notebook to draw in
    name_the_nameless()
    codecs.register_error("fdt_plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by whoever started this process
            stream.reconfigure(errors="fdt_plain")  # type: ignore[union-attr]  # a real file, not a test's


def name_the_nameless() -> None:
    """A user id without a name, as in containers, has no home either: libraries fail where they ask for one."""
    import pwd

    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("LOGNAME", str(os.getuid()))
        os.environ.setdefault("HOME", "/nonexistent")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What is printed where the encoding lacks characters; half a character of a file's name becomes `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in lacking), error.end


if __name__ == "__main__":
    main()
