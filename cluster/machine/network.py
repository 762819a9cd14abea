"""The addresses of this machine, and the one by which the other nodes of a sweep reach it."""

from __future__ import annotations

import contextlib
import os
import socket

import psutil

from fdt_core.errors import EnvironmentProblem


def own_ip_address(interface: str | None) -> str:
    """This machine's IPv4 address on `interface`, or the one that its host name resolves to or its default route uses.

    Raises EnvironmentProblem if the interface is missing or has no IPv4 address.
    """
    if interface is not None:
        return _address_of(interface)
    with contextlib.suppress(OSError):
        found = socket.gethostbyname(os.environ.get("SLURMD_NODENAME", socket.gethostname()))
        if not found.startswith("127."):
            return found
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737); nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def all_ip_addresses() -> frozenset[str]:
    """The IPv4 and IPv6 addresses of all interfaces, loopback included, without the zones of link-local ones."""
    families = (socket.AF_INET, socket.AF_INET6)
    interfaces = psutil.net_if_addrs().values()
    found = [each for addresses in interfaces for each in addresses if each.family in families]
    return frozenset(str(each.address).partition("%")[0] for each in found)


def _address_of(interface: str) -> str:
    addresses = psutil.net_if_addrs()
    for address in addresses.get(interface, []):
        if address.family == socket.AF_INET:
            return str(address.address)
    raise EnvironmentProblem(
        f"no network interface {interface!r} with an IPv4 address on {socket.gethostname()} "
        f"(there are: {', '.join(sorted(addresses))}); set `network_interface` in the profile"
    )
