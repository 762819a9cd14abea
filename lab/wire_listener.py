"""A listener on a network interface (as root): what somebody could read who taps the wire."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_PROGRAM = """
import select, socket, sys
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0003))
listener.setsockopt(socket.SOL_SOCKET, 33, 2**26)  # SO_RCVBUFFORCE: as root, whatever the system's limit
listener.bind((sys.argv[1], 0))
with open(sys.argv[2], "wb", buffering=0) as file:
    print("ready", flush=True)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        frame = listener.recv(2**18)
        file.write(len(frame).to_bytes(4, "big") + frame)
"""
_ETHERNET, _IPV4, _TCP = 14, 4, 6
"""Bytes of a header, a version, a protocol number."""


@contextlib.contextmanager
def listener(inside: Callable[[Sequence[str]], list[str]], interface: str, heard: Path) -> Iterator[None]:
    """Meanwhile record in the file `heard` what passes an interface; `payloads` reads it.

    `inside` gives the command that runs another one in the interface's network namespace.
    """
    command = inside([sys.executable, "-c", _PROGRAM, interface, str(heard)])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", "the listener has not started"
    try:
        yield
    finally:
        process.communicate()  # it ends when its input does


def payloads(heard: Path) -> list[bytes]:
    """What each direction of each TCP connection over IPv4 carried, as a listener recorded it."""
    record, at = heard.read_bytes(), 0
    streams: defaultdict[bytes, bytearray] = defaultdict(bytearray)
    while len(record) - at > 4:
        end = at + 4 + int.from_bytes(record[at : at + 4], "big")
        packet, at = record[at + 4 + _ETHERNET : end], end
        if packet and packet[0] >> 4 == _IPV4 and packet[9] == _TCP:
            segment = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big") or None]
            ends_of_connection = packet[12:20] + segment[:4]
            streams[ends_of_connection] += segment[(segment[12] >> 4) * 4 :]
    return [bytes(stream) for stream in streams.values()]
