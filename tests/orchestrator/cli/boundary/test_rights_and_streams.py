"""Disks, rights and standard streams that fail: one line on stderr and a documented exit code, in real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.sweeps import FDT_SWEEP, Place, fdt_sweep
from tests.orchestrator.cli.boundary.finished_run import assert_told_in_one_line, commands


@pytest.mark.process
def test_a_read_only_run_is_read_and_otherwise_refused(place: Place) -> None:
    with _read_only(place.run):
        for command, expected in (("status", 0), ("results", 0), ("gc", 3), ("retry", 3), ("launch", 3), ("report", 3)):
            arguments = {**commands(place), "report": ["report", str(place.run)]}[command]
            shown = fdt_sweep(*arguments)
            assert_told_in_one_line(command, shown.returncode, shown.stderr)
            assert shown.returncode == expected, shown.stderr
            if expected:
                assert str(place.run) in shown.stderr


@contextmanager
def _read_only(path: Path) -> Iterator[None]:
    """The directory as a read-only mount."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root: run as root")
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv: run as root")
@pytest.mark.parametrize("readable", [False, True])
def test_a_run_of_somebody_else_is_one_line(place: Place, readable: bool) -> None:
    for path in (place.run, *place.run.rglob("*")):
        os.chown(path, 54321, 54321)
        path.chmod(0o755 if readable else 0o700)
    # Root without its right to what belongs to others: as any other user, but Python may lie where only root can read.
    stranger = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
    for command in ("status", "results", "gc", "retry", "launch"):
        shown = subprocess.run(
            [*stranger, *FDT_SWEEP, *commands(place)[command]], capture_output=True, text=True, timeout=120, check=False
        )
        assert_told_in_one_line(command, shown.returncode, shown.stderr)
        assert shown.returncode == (0 if readable and command in ("status", "results") else 3), shown.stderr
        if shown.returncode:
            assert str(place.run) in shown.stderr


@pytest.mark.process
def test_a_full_output_is_one_line(place: Place) -> None:
    for command in ("results", "status", "plan"):
        with Path("/dev/full").open("w") as full:
            shown = subprocess.run(
                [*FDT_SWEEP, *commands(place)[command]], stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert shown.stderr.splitlines() == ["fdt-sweep: error: standard output: No space left on device"]
        assert shown.returncode == 3


@pytest.mark.process
def test_a_full_place_for_messages_stops_nothing(place: Place) -> None:
    with Path("/dev/full").open("w") as full:
        shown = subprocess.run([*FDT_SWEEP, *commands(place)["launch"]], stdout=subprocess.PIPE, stderr=full)
    assert shown.returncode == 0


@pytest.mark.process
@pytest.mark.parametrize("command", ["results", "status", "plan"])
def test_a_reader_that_has_enough_is_no_error(place: Place, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        shown = subprocess.run(
            [*FDT_SWEEP, *commands(place)[command]], stdout=writing, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writing)
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.process
def test_closed_standard_streams_are_no_error(place: Place) -> None:
    shown = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *FDT_SWEEP, *commands(place)["status"]], check=False
    )
    assert shown.returncode == 0
