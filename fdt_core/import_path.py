"""The import path of fdt-sweep's processes: the installation before the current directory and PYTHONPATH.

Python searches the current directory (`python -m`) and PYTHONPATH before its standard library. A user's `select.py` or
`cluster.py` would then run in place of Python's or the project's module. This module imports nothing but `os`, `site`
and `sys`, which the interpreter has already loaded when it reads the first file of a user.
"""

from __future__ import annotations

import os
import site
import sys

TYPE_CHECKING = False  # not typing's: see above
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT_PACKAGES = ("fdt_core", "orchestrator", "cluster", "analysis")

PROJECT_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that holds the project's packages: site-packages, or the checkout of an editable installation."""

_VARIABLES = ("PYTHONPATH", "PYTHONSAFEPATH")
_AS_GIVEN = "FDT_GIVEN_"
"""Prefix of the variable that keeps the value which the user's shell had for a changed one."""


def installation_first(path: Sequence[str], user_entries: Sequence[str]) -> list[str]:
    """Reorder the import path: Python's library, installed packages, the project's root, then the user's entries.

    The root must be named: an editable installation finds the project's packages only after trying the whole path.

    Args:
        path: an import path.
        user_entries: the entries of `path` that come from PYTHONPATH.
    """
    late = set(user_entries) - set(installed_folders())
    early = [entry for entry in path if entry not in late]
    root = [] if PROJECT_ROOT in early else [PROJECT_ROOT]
    return [*early, *root, *(entry for entry in path if entry in late and entry not in root)]


def put_installation_first() -> None:
    """Make this process, and every Python process that it starts, import from the installation first.

    Call it before importing anything else; it does nothing if a parent process has called it. It removes the current
    directory, or the folder of the script, which Python may have put in front, and moves PYTHONPATH to the end.
    `given_environment` undoes this for programs that are not part of fdt-sweep.
    """
    if _AS_GIVEN + "PYTHONPATH" in os.environ:
        return
    path = sys.path[:] if sys.flags.safe_path else sys.path[1:]
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # an empty entry is the current directory
    sys.path[:] = installation_first(path, [os.path.abspath(entry) for entry in entries])
    given = {_AS_GIVEN + name: os.environ.get(name, "") for name in _VARIABLES}
    os.environ.update(given, PYTHONPATH=os.pathsep.join(sys.path), PYTHONSAFEPATH="1")


def given_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with PYTHONPATH and PYTHONSAFEPATH as the user's shell had them.

    For programs that may use another Python, such as a site's `sbatch` wrapper, and for the shell of a job.
    """
    given = dict(environment)
    for name in _VARIABLES:
        value = given.pop(_AS_GIVEN + name, None)
        if value is not None:
            given.pop(name, None)
        if value:
            given[name] = value
    return given


def installed_folders() -> list[str]:
    """The folders of Python's library and of installed packages."""
    library = os.path.dirname(os.__file__)
    packages = [*site.getsitepackages(), site.getusersitepackages()]
    return [library, os.path.join(library, "lib-dynload"), *packages]
