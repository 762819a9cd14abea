"""Scripted trials through the whole engine: on several slots, and by driver processes, left alone or killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from lab.engine import local_engine
from lab.isolation import isolated
from lab.scripted_session import Script, scripted_session
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.trial_slots import TrialSlots
from orchestrator.run.run_directory import RunDirectory

T = TypeVar("T")


def run_on_slots(plan: SweepPlan, accuracies: Mapping[str, float], read: Callable[[Path], T]) -> list[T]:
    """Run a plan on one, two and seven slots, other trials slow each time; returns what `read` makes of the results."""
    found: list[T] = []
    with local_engine(cpus=7) as engine:
        for salt, slots in enumerate((1, 2, 7)):
            of_slots = replace(engine, needs=TrialSlots(cpus=7 // slots, gpus=0, whole_gpus=0, slots=slots))
            of_slots.run(
                0,
                scripted_session,
                plan,
                prepare=partial(_write, Script(accuracies=accuracies, salt=salt)),
                examine=lambda run: found.append(read(run.results)),
            )
    return found


def _write(script: Script, run: RunDirectory) -> None:
    script.write(run.path)


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
