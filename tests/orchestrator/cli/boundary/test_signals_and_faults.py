"""Signals, and faults of fdt-sweep itself: one line on stderr and a documented exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lab.sweeps import FDT_SWEEP, Place
from orchestrator.cli.boundary import exit_status


@pytest.mark.process
def test_ctrl_c_while_the_command_is_still_imported_is_one_line() -> None:
    met = set()
    for milliseconds in range(60, 360, 60):
        process = subprocess.Popen(
            [*FDT_SWEEP, "templates", "-m", "vgg19"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        if (
            process.returncode != -signal.SIGINT and "Fatal Python error: init" not in stderr
        ):  # the interpreter itself was still starting
            lines = stderr.splitlines(keepends=True)
            ours = lines[-1:] if "panicked at" in stderr else lines  # pydantic 2.9 prints a panic of its own first
            met.add((process.returncode, "".join(ours)))
    assert met <= {(130, "fdt-sweep: interrupted\n"), (0, "")}
    assert (130, "fdt-sweep: interrupted\n") in met


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_closes_what_it_opened(place: Place, number: signal.Signals) -> None:
    script = (
        "import signal, sys, time\nfrom orchestrator.cli.boundary import exit_status\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # whoever runs the tests may ignore it, as under nohup
        "def run():\n"
        "    try:\n        print('at work', flush=True); time.sleep(60)\n"
        "    finally:\n        print('closed', flush=True)\n"
        "sys.exit(exit_status(run, verbose=False))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("closed\n", f"fdt-sweep: terminated ({number.name})\n")
    assert process.returncode == 75


def test_a_fault_of_our_own_says_so_and_where_its_traceback_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # put back afterwards

    def run() -> int:
        raise LookupError("no such\nluck")

    assert exit_status(run, verbose=False) == 3
    (file,) = tmp_path.iterdir()
    said = capfd.readouterr().err
    assert said == (
        "fdt-sweep: error: unexpected LookupError: no such; please report it, unless it comes from your own code "
        f"(traceback: {file})\n"
    )
    assert "raise LookupError" in file.read_text()
    assert exit_status(run, verbose=True) == 3
    assert "raise LookupError" in capfd.readouterr().err


def test_the_end_of_a_file_met_by_a_command_is_a_fault_and_not_a_failed_trial(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # put back afterwards

    def run() -> int:
        try:
            raise EOFError("a truncated file")
        except EOFError as error:  # what typer does with it
            raise SystemExit(1) from error

    assert exit_status(run, verbose=False) == 3
    assert "unexpected EOFError: a truncated file" in capfd.readouterr().err
