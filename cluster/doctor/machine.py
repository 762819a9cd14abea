"""What goes wrong in practice, looked for before a sweep does: one finding per check, with how to mend it."""

from __future__ import annotations

import os
import resource
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import Requirement

from cluster.devices.device_check import PROBE, Device, DeviceMissing, look_at_devices
from cluster.devices.torch_builds import build_advice, description
from cluster.machine.network import own_ip_address
from cluster.machine.scratch import file_system_of, private_parent, remove_stale
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.access_token import check_private
from fdt_core.errors import EnvironmentProblem

State = Literal["ok", "warning", "problem"]

_LEAST_OPEN_FILES = 4096
_CLOCK_SECONDS = 5.0
_LOCAL_FILE_SYSTEMS = frozenset(["btrfs", "ext2", "ext3", "ext4", "overlay", "tmpfs", "xfs", "zfs"])
_GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check."""

    check: str
    state: State
    found: str
    mend: str = ""
    """What to do about it; empty where all is well."""


def examine_machine(profile: ClusterProfile, runs: Path) -> Iterator[Finding]:
    """Look at this machine, as a node that sweeps of `profile` would run on with their runs below `runs`.

    Removes what dead processes of this user have left in the scratch directory; leaves all else as it is.
    """
    checks: Mapping[str, Callable[[], Finding]] = {
        "packages": _packages,
        "runs directory": lambda: _runs_directory(profile, runs),
        "clock": lambda: _clock(runs),
        "scratch": lambda: _scratch(profile),
        "shared memory": lambda: _shared_memory(profile),
        "open files": _open_files,
        "network": lambda: _network(profile),
        "device": lambda: device_finding(profile),
        "tokens": lambda: _tokens(runs),
    }
    for name, check in checks.items():
        try:
            yield check()
        except (EnvironmentProblem, DeviceMissing, OSError) as problem:
            yield Finding(check=name, state="problem", found=str(problem), mend=_MENDS.get(name, ""))


_MENDS = {
    "runs directory": "name one that you may write to: --runs-dir, or FDT_RUNS_DIR",
    "device": "look at nvidia-smi; for another partition or no GPU, change the profile",
}


def _packages() -> Finding:
    """Whether the installed packages are those that this version was made for."""
    wrong = [text for text in map(_complaint, requires("fdt-sweep") or []) if text]
    python = ".".join(map(str, sys.version_info[:3]))
    if wrong:
        mend = "pip install -c constraints.txt -e ."
        return Finding(check="packages", state="problem", found=f"Python {python}; {'; '.join(wrong)}", mend=mend)
    shown = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "submitit"))
    return Finding(check="packages", state="ok", found=f"Python {python}, {shown}")


def _complaint(line: str) -> str:
    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    return "" if requirement.specifier.contains(found, prereleases=True) else f"{requirement} is wanted, {found} found"


def _runs_directory(profile: ClusterProfile, runs: Path) -> Finding:
    """Whether runs can be written, with what their files rely on, where all nodes see them."""
    directory = _existing(runs)
    probe, link = (directory / f".fdt-doctor-{secrets.token_hex(4)}{suffix}" for suffix in ("", ".link"))
    try:
        probe.touch(mode=0o600)
        links = "" if _can_link(probe, link) else " (no hard links: lock files take their place)"
    finally:
        for path in (probe, link):
            path.unlink(missing_ok=True)
    kind = file_system_of(directory)
    free = psutil.disk_usage(str(directory)).free
    found = f"{runs} on {kind}{links}, {free / _GIB:.1f} GiB free"
    if profile.kind == "slurm" and kind in _LOCAL_FILE_SYSTEMS:
        mend = "if compute nodes do not see it, name one that they share; `doctor --submit-test` shows whether they do"
        return Finding(
            check="runs directory", state="warning", found=f"{found}: looks like this machine's own", mend=mend
        )
    if free < _GIB:
        return Finding(check="runs directory", state="warning", found=found, mend="make room, or see: fdt-sweep gc")
    return Finding(check="runs directory", state="ok", found=found)


def _can_link(path: Path, link: Path) -> bool:
    try:
        os.link(path, link)
    except OSError:
        return False
    return True


def _clock(runs: Path) -> Finding:
    """Whether this machine and the file server agree on the time: deadlines of drains are told in files."""
    probe = _existing(runs) / f".fdt-doctor-{secrets.token_hex(4)}"
    try:
        probe.touch(mode=0o600)
        apart = probe.stat().st_mtime - time.time()
    finally:
        probe.unlink(missing_ok=True)
    found = f"{abs(apart):.1f} s from the file server's"
    if abs(apart) > _CLOCK_SECONDS:
        return Finding(check="clock", state="warning", found=found, mend="tell the site: NTP does not run here")
    return Finding(check="clock", state="ok", found=found)


def _scratch(profile: ClusterProfile) -> Finding:
    ours = private_parent(profile.scratch)
    removed = remove_stale(ours)
    also = f"; removed {len(removed)} stale directories" if removed else ""
    return Finding(check="scratch", state="ok", found=f"{ours} on {file_system_of(ours)}{also}")


def _shared_memory(profile: ClusterProfile) -> Finding:
    free = psutil.disk_usage("/dev/shm").free
    found = f"/dev/shm has {free / 2**20:.0f} MiB free, Ray wants {profile.object_store_bytes / 2**20:.0f} MiB"
    if free < profile.object_store_bytes:
        mend = "remove your own stale files there; in a container, start it with --shm-size=1g"
        return Finding(check="shared memory", state="problem", found=found, mend=mend)
    return Finding(check="shared memory", state="ok", found=found)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _LEAST_OPEN_FILES:
        mend = f"setup: [ulimit -n {hard}] in the profile" if hard > soft else "ask the site for a higher limit"
        return Finding(check="open files", state="warning", found=f"at most {soft} (hard limit {hard})", mend=mend)
    return Finding(check="open files", state="ok", found=f"at most {soft}")


def _network(profile: ClusterProfile) -> Finding:
    """Whether this machine's own address can be listened at and reached."""
    address = own_ip_address(profile.network_interface)
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((address, port), timeout=5):
            pass
    if address.startswith("127.") and profile.kind == "slurm":
        mend = "name the interface that nodes reach each other by: network_interface in the profile"
        return Finding(check="network", state="warning", found=f"only {address} found", mend=mend)
    return Finding(check="network", state="ok", found=f"{address}, free ports can be listened at")


def device_finding(profile: ClusterProfile, *, probe: Sequence[str] = PROBE) -> Finding:
    """Whether torch, the driver and the devices fit together, and trials can use the devices; `probe` looks at one.

    Raises DeviceMissing where there are fewer devices than the profile asks for.
    """
    devices = look_at_devices(profile, probe=probe)
    found = "; ".join(map(description, (*devices.usable, *devices.left_out))) or "the profile wants none"
    if not devices.left_out:
        return Finding(check="device", state="ok", found=found)
    state: State = "warning" if devices.usable else "problem"
    cures = dict.fromkeys(build_advice(device) or _cure(device) for device in devices.left_out)
    return Finding(check="device", state=state, found=found, mend="; ".join(cures))


def _cure(device: Device) -> str:
    """What to do about a device that torch and the driver fit."""
    return "trials_per_gpu: 1 in the profile" if device.exclusive else _MENDS["device"]


def _tokens(runs: Path) -> Finding:
    """Whether the tokens of all runs are closed to others."""
    tokens = list(runs.glob("*/slurm/token"))
    for token in tokens:
        check_private(token)
    return Finding(check="tokens", state="ok", found=f"{len(tokens)}, all closed to others")


def _existing(path: Path) -> Path:
    """The path itself or the nearest of its parents that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())


def worst(findings: Sequence[Finding]) -> State:
    """The gravest state among the findings."""
    order: tuple[State, ...] = ("ok", "warning", "problem")
    return max((finding.state for finding in findings), key=order.index, default="ok")
