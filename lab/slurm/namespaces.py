"""Network, process and mount namespaces in which a lab's processes live: nothing outside reaches them, or they it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from cluster.machine.processes import die_with_parent

# The first process of the namespaces. It gives the network an address beside the loopback's (slurmdbd insists on one),
# makes the host's name known, and reaps orphans.
_FIRST_PROCESS = """
set -e
ip link set lo up
ip link add lab0 type veth peer name lab1
ip addr add 10.99.0.1/24 dev lab0
ip link set lab0 up
ip link set lab1 up
{ cat /etc/hosts; echo "127.0.0.1 $(hostname)"; } >"$1"
mount --bind "$1" /etc/hosts
echo ready
while :; do sleep 3600 & wait $!; done
"""


class Namespaces:
    """One set of namespaces. When its first process ends, the kernel ends all the others."""

    def __init__(self, hosts_file: Path) -> None:
        """Make the namespaces; `hosts_file` is written, and becomes their /etc/hosts. Raises RuntimeError."""
        self._unshare = subprocess.Popen(
            [
                *("unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"),
                *("bash", "-c", _FIRST_PROCESS, "lab", str(hosts_file)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent,  # nothing remains if the user of the lab is killed
        )
        assert self._unshare.stdout is not None
        assert self._unshare.stderr is not None
        if self._unshare.stdout.readline() != "ready\n":
            raise RuntimeError(f"the lab's namespaces could not be set up: {self._unshare.stderr.read()}")

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """`command` as it must be started from outside to run in the namespaces, in the current directory."""
        target = f"--target={self._first_process().pid}"
        return ["nsenter", target, "--net", "--pid", "--mount", f"--wd={Path.cwd()}", *map(str, command)]

    def processes(self) -> list[psutil.Process]:
        """Every process in the namespaces, except the first and its sleep."""
        first = self._first_process()
        namespace = Path(f"/proc/{first.pid}/ns/pid").readlink()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                inside = Path(f"/proc/{process.pid}/ns/pid").readlink() == namespace
                if inside and first.pid not in (process.pid, process.ppid() if process.name() == "sleep" else None):
                    found.append(process)
        return found

    def end(self) -> None:
        """End every process of the namespaces."""
        self._unshare.kill()
        self._unshare.wait()

    def _first_process(self) -> psutil.Process:
        """The process with id 1 inside: the only child of `unshare`."""
        return psutil.Process(self._unshare.pid).children()[0]


def remove_control_groups(names: Sequence[str]) -> None:
    """Remove control groups without processes: they belong to no namespace."""
    for name in names:
        for group in Path("/sys/fs/cgroup").glob(f"*/{name}"):
            for directory, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(directory).rmdir()
