"""The exit codes of `fdt-sweep` and of its jobs: part of the interface, so no number ever changes its meaning."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command, a driver or a job ended."""

    DONE = 0
    """All that was asked for is done."""
    FAILED = 1
    """Finished with failed trials, or stopped at the limit of them; also a negative answer, as of `reproduce`."""
    USAGE = 2
    """A wrong argument, sweep file, profile or name."""
    PROBLEM = 3
    """The machine, the cluster or the data is not as needed; or a fault of fdt-sweep itself."""
    REFUSED = 4
    """A budget guard said no."""
    INTERRUPTED = 75
    """Stopped before the end, everything saved: launch again to go on (EX_TEMPFAIL of sysexits.h)."""
    STOPPED = 130
    """Stopped at once, as by a second Ctrl-C (128 + SIGINT)."""
