"""Two hosts joined by a wire: network namespaces of this machine (as root; see `can_isolate`)."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cluster.machine.processes import die_with_parent

WIRE = "wire"
"""The name of each host's interface to the other."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host with one address on the wire."""

    pid: int
    """A process that runs there."""
    address: str

    def inside(self, command: Sequence[str]) -> list[str]:
        """`command` as it must be started to run on this host."""
        return ["nsenter", f"--target={self.pid}", "--net", "--", *command]

    def run(self, *command: str) -> str:
        """Run a command on this host to its end; it must succeed. Returns what it prints."""
        return subprocess.run(self.inside(command), check=True, stdout=subprocess.PIPE, text=True).stdout


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other over a wire, and nothing else."""
    with _namespace() as first, _namespace() as second:
        hosts = Host(pid=first, address="10.98.0.1"), Host(pid=second, address="10.98.0.2")
        hosts[0].run("ip", "link", "add", WIRE, "type", "veth", "peer", "name", WIRE, "netns", str(second))
        for host in hosts:
            host.run("ip", "addr", "add", f"{host.address}/24", "dev", WIRE)
            host.run("ip", "link", "set", WIRE, "up")
        yield hosts


@contextlib.contextmanager
def _namespace() -> Iterator[int]:
    """A new network namespace, in which the process with the yielded id runs."""
    command = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", "no network namespace can be made"
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
