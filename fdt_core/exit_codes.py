"""The exit codes of `fdt-sweep` and its jobs: part of the interface, so a number never changes its meaning."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command, a driver or a job ended."""

    DONE = 0
    """Everything requested is done."""
    FAILED = 1
    """Finished with failed trials, or stopped at their limit; also a negative answer, as from `reproduce`."""
    USAGE = 2
    """A wrong argument, sweep file, profile or name."""
    PROBLEM = 3
    """The machine, the cluster or the data is not as required; or a bug in fdt-sweep."""
    REFUSED = 4
    """A budget guard refused to start."""
    INTERRUPTED = 75
    """Stopped early with everything saved: launch again to continue (EX_TEMPFAIL of sysexits.h)."""
    STOPPED = 130
    """Stopped immediately, as by a second Ctrl-C (128 + SIGINT)."""
