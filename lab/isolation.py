"""Run a command that starts servers so that nothing else can reach them."""

from __future__ import annotations

import os
import shutil


def isolated(command: list[str]) -> list[str]:
    """The command in a separate network namespace (as root); otherwise unchanged, protected by Ray's token."""
    if not can_isolate():
        return command
    return ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "isolated", *command]


def within_network_of(pid: int, command: list[str]) -> list[str]:
    """The command within the network of an isolated process."""
    return ["nsenter", "--target", str(pid), "--net", "--", *command] if can_isolate() else command


def can_isolate() -> bool:
    """Whether this user may make network namespaces, and the tools are there."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip"))
