"""Checks of a machine for what goes wrong in practice, before a sweep runs into it: one finding per check."""

from __future__ import annotations

import os
import resource
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from cluster.devices.device_check import PROBE, Device, DeviceMissing, look_at_devices
from cluster.devices.torch_builds import build_advice, description
from cluster.doctor.findings import Finding, State
from cluster.machine.network import own_ip_address
from cluster.machine.scratch import file_system_of, private_parent, remove_stale
from cluster.profile.schema import ClusterProfile
from cluster.ray_nodes.private_files import check_private
from cluster.slurm.files import SlurmFiles
from fdt_core.errors import EnvironmentProblem

_MIN_OPEN_FILES = 4096
_MAX_CLOCK_DIFFERENCE = 5.0
"""Seconds."""
_LOCAL_FILE_SYSTEMS = frozenset(["btrfs", "ext2", "ext3", "ext4", "overlay", "tmpfs", "xfs", "zfs"])
_MIB, _GIB = 2**20, 2**30

_FIXES = {
    "runs directory": "name one that you may write to: --runs-dir, or FDT_RUNS_DIR",
    "device": "look at nvidia-smi; for another partition or no GPU, change the profile",
}
"""By check: what to do if the check itself fails."""


def examine_machine(profile: ClusterProfile, runs: Path) -> Iterator[Finding]:
    """Check this machine as a node for sweeps of `profile` whose runs are in `runs`.

    Removes what this user's dead processes left in the scratch directory, and changes nothing else.
    """
    checks: Mapping[str, Callable[[], Finding]] = {
        "packages": _packages,
        "runs directory": lambda: _runs_directory(profile, runs),
        "clock": lambda: clock_finding(runs),
        "scratch": lambda: _scratch(profile),
        "shared memory": lambda: _shared_memory(profile),
        "open files": _open_files,
        "network": lambda: _network(profile),
        "device": lambda: device_finding(profile),
        "secrets": lambda: _secrets(runs),
    }
    for name, check in checks.items():
        try:
            yield check()
        except (EnvironmentProblem, DeviceMissing, OSError) as problem:
            yield Finding(check=name, state=State.PROBLEM, found=str(problem), fix=_FIXES.get(name, ""))


def _packages() -> Finding:
    """Whether the installed packages are those that this version needs."""
    wrong = [text for text in map(_complaint, requires("fdt-sweep") or []) if text]
    python = ".".join(map(str, sys.version_info[:3]))
    if wrong:
        fix = "pip install -c constraints.txt -e ."
        found = f"Python {python}; {'; '.join(wrong)}"
        return Finding(check="packages", state=State.PROBLEM, found=found, fix=fix)
    shown = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "submitit"))
    return Finding(check="packages", state=State.OK, found=f"Python {python}, {shown}")


def _complaint(line: str) -> str:
    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    return "" if requirement.specifier.contains(found, prereleases=True) else f"{requirement} is needed, {found} found"


def _runs_directory(profile: ClusterProfile, runs: Path) -> Finding:
    """Whether runs can be written there, with what their files rely on, and whether all nodes see them."""
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
    state, fix = State.OK, ""
    found = f"{runs} on {kind}{links}, {free / _GIB:.1f} GiB free"
    if profile.kind == "slurm" and kind in _LOCAL_FILE_SYSTEMS:
        state = State.WARNING
        found += ": looks like this machine's own disk"
        fix = "if compute nodes do not see it, name one that they share; `doctor --submit-test` shows whether they do"
    elif free < _GIB:
        state, fix = State.WARNING, "make room, or see: fdt-sweep gc"
    return Finding(check="runs directory", state=state, found=found, fix=fix)


def _can_link(path: Path, link: Path) -> bool:
    try:
        os.link(path, link)
    except OSError:
        return False
    return True


def clock_finding(runs: Path, *, clock: Callable[[], float] = time.time) -> Finding:
    """Whether this machine and the file server agree on the time: files carry the deadlines of drains."""
    probe = _existing(runs) / f".fdt-doctor-{secrets.token_hex(4)}"
    try:
        probe.touch(mode=0o600)
        apart = abs(probe.stat().st_mtime - clock())
    finally:
        probe.unlink(missing_ok=True)
    found = f"{apart:.1f} s from the file server's"
    if apart > _MAX_CLOCK_DIFFERENCE:
        return Finding(check="clock", state=State.WARNING, found=found, fix="tell the site: NTP is not running here")
    return Finding(check="clock", state=State.OK, found=found)


def _scratch(profile: ClusterProfile) -> Finding:
    parent = private_parent(profile.scratch)
    removed = remove_stale(parent)
    also = f"; removed {len(removed)} stale directories" if removed else ""
    return Finding(check="scratch", state=State.OK, found=f"{parent} on {file_system_of(parent)}{also}")


def _shared_memory(profile: ClusterProfile) -> Finding:
    free = psutil.disk_usage("/dev/shm").free
    found = f"/dev/shm has {free / _MIB:.0f} MiB free, Ray needs {profile.object_store_bytes / _MIB:.0f} MiB"
    if free < profile.object_store_bytes:
        fix = "remove your own stale files there; in a container, start it with --shm-size=1g"
        return Finding(check="shared memory", state=State.PROBLEM, found=found, fix=fix)
    return Finding(check="shared memory", state=State.OK, found=found)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _MIN_OPEN_FILES:
        fix = f"setup: [ulimit -n {hard}] in the profile" if hard > soft else "ask the site for a higher limit"
        found = f"at most {soft} (hard limit {hard})"
        return Finding(check="open files", state=State.WARNING, found=found, fix=fix)
    return Finding(check="open files", state=State.OK, found=f"at most {soft}")


def _network(profile: ClusterProfile) -> Finding:
    """Whether a process can listen on this machine's own address, and another reach it."""
    address = own_ip_address(profile.network_interface)
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((address, port), timeout=5):
            pass
    if address.startswith("127.") and profile.kind == "slurm":
        fix = "name the interface by which nodes reach each other: network_interface in the profile"
        return Finding(check="network", state=State.WARNING, found=f"only {address} found", fix=fix)
    return Finding(check="network", state=State.OK, found=f"{address}, processes can listen on free ports")


def device_finding(profile: ClusterProfile, *, probe: Sequence[str] = PROBE) -> Finding:
    """Whether torch, the driver and the devices fit together, and trials can use the devices.

    `probe` is the command that examines one device. Raises DeviceMissing if there are fewer devices than the profile
    asks for.
    """
    devices = look_at_devices(profile, probe=probe)
    found = "; ".join(map(description, (*devices.usable, *devices.left_out))) or "the profile asks for none"
    if not devices.left_out:
        return Finding(check="device", state=State.OK, found=found)
    state = State.WARNING if devices.usable else State.PROBLEM
    fixes = dict.fromkeys(build_advice(device) or _fix_of_fault(device) for device in devices.left_out)
    return Finding(check="device", state=state, found=found, fix="; ".join(fixes))


def _fix_of_fault(device: Device) -> str:
    """What to do about a faulty device that fits torch and the driver."""
    return "trials_per_gpu: 1 in the profile" if device.exclusive else _FIXES["device"]


def _secrets(runs: Path) -> Finding:
    """Whether the tokens and the certificate authorities of all runs are closed to other users."""
    files = [SlurmFiles(directory) for directory in runs.glob("*/slurm")]
    found = [path for each in files for path in (each.token, each.authority) if os.path.lexists(path)]
    for path in found:
        check_private(path)
    return Finding(check="secrets", state=State.OK, found=f"{len(found)}, all closed to others")


def _existing(path: Path) -> Path:
    """The path itself or the nearest of its parents that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())
