"""Where a process of ours imports from: the installation first, whatever lies in the user's folder or on PYTHONPATH.

Python looks first in the current directory (`python -m`) and on PYTHONPATH, before its own library. A user's
`select.py` or `cluster.py` would be run in place of Python's or ours. Uses the standard library only, and of that only
what every interpreter has loaded before it reads a user's file.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping, Sequence

OWN_PACKAGES = ("fdt_core", "orchestrator", "cluster", "analysis")

OWN_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that holds our packages: site-packages, or the checkout of an editable installation."""

_VARIABLES = ("PYTHONPATH", "PYTHONSAFEPATH")
_AS_GIVEN = "FDT_GIVEN_"
"""Before the name of a variable that was changed: what the user's shell had there."""


def installation_first(path: Sequence[str], user_entries: Sequence[str]) -> list[str]:
    """The import path `path` with the installation first: Python's library, its packages, our root, then the user's.

    Our root has to be named: an editable installation finds our packages only after everything on the path was tried.

    Args:
        path: an import path.
        user_entries: those of its entries that come from PYTHONPATH.
    """
    late = set(user_entries) - set(_installed_folders())
    early = [entry for entry in path if entry not in late]
    own = [] if OWN_ROOT in early else [OWN_ROOT]
    return [*early, *own, *(entry for entry in path if entry in late and entry not in own)]


def put_installation_first() -> None:
    """Make this process, and all Python processes that it starts, import from the installation first.

    Call it before anything else is imported; where a parent process has done so, nothing is left to do. The current
    directory, or the folder of the script, which Python may have put in front, goes; PYTHONPATH comes last.
    `given_environment` undoes it for programs that are not ours.
    """
    if _AS_GIVEN + "PYTHONPATH" in os.environ:
        return
    path = sys.path[:] if sys.flags.safe_path else sys.path[1:]
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # an empty one is the current directory
    sys.path[:] = installation_first(path, [os.path.abspath(entry) for entry in entries])
    given = {_AS_GIVEN + name: os.environ.get(name, "") for name in _VARIABLES}
    os.environ.update(given, PYTHONPATH=os.pathsep.join(sys.path), PYTHONSAFEPATH="1")


def given_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with PYTHONPATH and PYTHONSAFEPATH as the user's shell had them.

    For programs that may be written in another Python, such as a site's own `sbatch`, and for the shell of a job.
    """
    given = dict(environment)
    for name in _VARIABLES:
        value = given.pop(_AS_GIVEN + name, None)
        if value is not None:
            given.pop(name, None)
        if value:
            given[name] = value
    return given


def _installed_folders() -> list[str]:
    """The folders of Python's library and of installed packages."""
    library = os.path.dirname(os.__file__)
    packages = [*site.getsitepackages(), site.getusersitepackages()]
    return [library, os.path.join(library, "lib-dynload"), *packages]
