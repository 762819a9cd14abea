"""Drivers of scripted trials as processes, left alone or killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from lab.isolation import isolated
from orchestrator.run.run_directory import RunDirectory


def drive_scripted(run: RunDirectory, sweep_file: Path) -> None:
    """Drive what is left of the run, to its end."""
    assert _start(run, sweep_file).wait(timeout=120) == 0


def drive_scripted_with_kills(run: RunDirectory, sweep_file: Path, kills: int) -> None:
    """Drive the run to its end after so many drivers of it were killed at seeded moments."""
    moments, finished = random.Random(16), False
    for _ in range(kills):
        driver = _start(run, sweep_file)
        while driver.poll() is None and not run.status_file.exists():
            time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 1.5))
        finished = driver.poll() == 0
        driver.kill()
        driver.wait()
    assert not finished, "the kills came too late to show anything"
    drive_scripted(run, sweep_file)


def _start(run: RunDirectory, sweep_file: Path) -> subprocess.Popen[str]:
    run.status_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.orchestrator.tune.drive_scripted", str(run.path), str(sweep_file)]
    return subprocess.Popen(isolated(command), text=True, cwd=Path(__file__).parents[3])
