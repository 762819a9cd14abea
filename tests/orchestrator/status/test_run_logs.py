"""The logs of a run: found by the first letters of their names, and followed as they grow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from lab.sweeps import FDT_SWEEP, fdt_sweep
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.run_logs import find_log, run_logs


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "runs" / "study")
    made.create()
    made.plan_file.write_text("{}")
    for name in ("3f6a1c09be22", "3f77000000aa", "driver"):
        made.log(name).write_text(f"of {name}\n")
    return made


def test_logs_are_found_by_the_first_letters(run: RunDirectory) -> None:
    assert list(run_logs(run)) == ["3f6a1c09be22", "3f77000000aa", "driver"]
    assert find_log(run, "3f6") == run.log("3f6a1c09be22")
    assert find_log(run, "driver") == run.driver_log
    with pytest.raises(UsageError, match="2 logs start with '3f'"):
        find_log(run, "3f")
    with pytest.raises(UsageError, match=r"no log of 'drivr'.*did you mean 'driver'"):
        find_log(run, "drivr")


@pytest.mark.process
def test_the_command_lists_and_prints(run: RunDirectory) -> None:
    listed = fdt_sweep("logs", str(run.path))
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["3f6a1c09be22", "3f77000000aa", "driver"]
    assert fdt_sweep("logs", str(run.path), "3f77").stdout == "of 3f77000000aa\n"
    assert json.loads(fdt_sweep("logs", str(run.path), "--json").stdout) == {
        name: str(path) for name, path in run_logs(run).items()
    }
    assert "a log is plain text" in fdt_sweep("logs", str(run.path), "3f77", "--json").stderr


def test_a_log_is_followed_as_it_grows(run: RunDirectory) -> None:
    command = [*FDT_SWEEP, "logs", str(run.path), "driver", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "of driver\n"
        with run.driver_log.open("a") as log:
            log.write("more\n")
        assert following.stdout.readline() == "more\n"
        assert following.poll() is None, "it continues until somebody ends it"
        following.kill()
