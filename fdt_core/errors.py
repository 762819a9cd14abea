"""Errors that a user can fix: one message each, and the exit code that the command line returns for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fdt_core.exit_codes import ExitCode


class FdtError(Exception):
    """An error whose message is meant for the user; `exit_code` is the exit status of the process."""

    exit_code = ExitCode.FAILED


class UsageError(FdtError, ValueError):
    """A wrong argument, sweep file, profile or name (exit code 2)."""

    exit_code = ExitCode.USAGE


class EnvironmentProblem(FdtError):
    """The machine, the cluster or the data is not as required (exit code 3)."""

    exit_code = ExitCode.PROBLEM


class BudgetRefused(FdtError):
    """A budget guard such as --max-gpu-hours refused to start (exit code 4)."""

    exit_code = ExitCode.REFUSED


class Terminated(BaseException):
    """SIGTERM or SIGHUP was received; the message is its name. Whatever is open is closed on the way out."""


def nearest_match(name: str, known: Iterable[str]) -> str:
    """A clause for a message that names the known word closest to `name`; empty if none is close."""
    spelled = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.6)
    return f"; did you mean {spelled[close[0]]!r}?" if close else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an unknown `kind` of name ('template', say): it lists the known names and the nearest match."""
    names = list(known)
    return UsageError(f"unknown {kind} {name!r}{nearest_match(name, names)} (known: {', '.join(names)})")
