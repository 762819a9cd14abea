"""Options of sbatch that a profile may pass through: all but those that break a sweep."""

from __future__ import annotations

import re
from collections.abc import Mapping

_OWN = "is set by fdt-sweep itself"
_ANSWER = "changes what sbatch prints or does, so that fdt-sweep would not find the job"
_ELSEWHERE = "sends jobs where squeue and scancel of this machine do not find them: launch on a login node there"

_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("array", "chdir", "dependency", "error", "export", "export-file", "job-name", "no-requeue"), _OWN),
    **dict.fromkeys(("nodes", "ntasks", "open-mode", "output", "requeue", "signal", "wrap"), _OWN),
    **dict.fromkeys(("help", "parsable", "quiet", "test-only", "usage", "version", "wait"), _ANSWER),
    **dict.fromkeys(("cluster", "cluster-constraint", "clusters"), _ELSEWHERE),
    **dict.fromkeys(("gid", "uid"), "gives the jobs to another user"),
    "hold": "makes jobs wait until they are released: use `begin` for a later start",
    "time": "is a key of the profile: `time`, and `time` of `head`",
}
"""Why each refused option is refused, by name."""

_SHORT = {"C": "constraint", "D": "chdir", "H": "hold", "J": "job-name", "M": "clusters", "N": "nodes", "Q": "quiet"}
_SHORT |= {"A": "account", "W": "wait", "a": "array", "d": "dependency", "e": "error", "n": "ntasks", "o": "output"}
_SHORT |= {"c": "cpus-per-task", "p": "partition", "q": "qos", "t": "time", "w": "nodelist", "x": "exclude"}


def checked_options(options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
    """The options, unchanged. Raises ValueError for one that cannot be passed through, with the reason."""
    for written, value in options.items():
        name = written.replace("_", "-")
        if name.startswith("-"):
            raise ValueError(f"the option {written!r} must be written without its dashes")
        if reason := _refusal(_SHORT.get(name, name)):
            raise ValueError(f"the option {written!r} {reason}")
        if len(name) == 1:
            long = f": {_SHORT[name]}" if name in _SHORT else ""
            raise ValueError(f"the option {written!r} must be written in its long form{long}")
        if not re.fullmatch(r"[A-Za-z][\w-]*", written) or "\n" in str(value):
            raise ValueError(f"the option {written!r} must be a name, with its value on one line")
    return options


def _refusal(name: str) -> str | None:
    """Why sbatch must not be given an option; None if it may. sbatch accepts abbreviated names of options."""
    meant = [name] if name in _REFUSED else [full for full in _REFUSED if len(name) > 2 and full.startswith(name)]
    return _REFUSED[meant[0]] if meant else None
