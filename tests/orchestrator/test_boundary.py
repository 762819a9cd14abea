"""Whatever ends a command is one line on stderr and a documented exit code: garbage in files, disks, pipes, signals."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.profile import load_profile
from cluster.slurm_files import (
    Demand,
    HeadRecord,
    JobRecord,
    Launch,
    PoolRecord,
    SlurmFiles,
    WorkerRecord,
    write_record,
)
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.results.writer import ResultsWriter
from orchestrator.boundary import run_command_line
from orchestrator.launch import LaunchSettings, freeze
from orchestrator.run_directory import RunDirectory
from orchestrator.watch import Watch
from tests.orchestrator.engine import Place

DOCUMENTED = (0, 1, 2, 3, 4, 75, 130)
SWEEP = """\
name: small
models: [vgg11]
width: 0.03125
templates: [base, c]
datasets: [digits]
seeds: 1
recipe: {base: quick, epochs: 1}
"""

GARBAGE = {
    "nothing": b"",
    "no JSON": b"{",
    "binary": bytes(range(256)),
    "a list": b"[]",
    "a list of numbers": b"[1, 2]",
    "null": b"null",
    "a number": b"3",
    "a word": b'"x"',
    "an empty object": b"{}",
    "another object": b'{"a": {"b": 1}}',
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "half a surrogate pair": b'{"state": "\\ud800"}',
}
JUNK: tuple[Any, ...] = (None, True, -1, 10**30, 0.5, "x", "", [], {}, [[]], {"x": 1})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished run, with a status, and the files of jobs that it once had on Slurm."""
    directory = tmp_path_factory.mktemp("finished")
    place = Place(directory=directory, data=directory / "data")
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    run, generation = freeze(place.sweep_file(SWEEP), runs_dir=place.run.parent, settings=settings)
    cells = run.plan().cells
    done = {"attempt": 1, "status": "done", "dataset_digest": prepared_digest("digits", place.data)}
    store = ResultsWriter(run.results)
    store.append("trials", [cell.columns() | done | {"final_test_accuracy": 50.0} for cell in cells])
    store.flush()
    driver = {"pid": os.getpid(), "host": "here", "generation": generation.number}
    Watch(status_file=run.status_file, driver=driver, beat=generation.beat).write(_progress(len(cells)), state="ended")
    generation.release()
    _write_slurm_files(SlurmFiles(run.slurm))
    return place


def _progress(done: int) -> Any:
    from orchestrator.backlog import Progress

    return Progress(done=done, diverged=0, failed=0, held_back=0, total=done)


def _write_slurm_files(files: SlurmFiles) -> None:
    files.create()
    write_record(
        files.head, HeadRecord(state="closed", job_id="7", host="n1", why="the driver has ended", written_at=1.0)
    )
    write_record(files.demand, Demand(slots=0, per_worker=(1,)))
    write_record(files.pool, PoolRecord(written_at=1.0))
    ids = {"job_id": "8", "slurm_job_id": "8", "host": "n1", "node": "n1"}
    write_record(files.worker("8"), WorkerRecord(**ids, state="ended", started_at=1.0, beat=3, written_at=2.0))
    files.note_jobs([JobRecord(job_id=job, role="worker", name="w", submitted_at=1.0) for job in ("8", "9")])
    launch = Launch(
        sweep="small", job_name="fdt-s", profiles=(load_profile("slurm"),), head_command=("python",), fingerprint={}
    )
    write_record(files.launch, launch)


def copied(finished: Place, directory: Path) -> Place:
    """A copy of the finished run, in place of a former one."""
    copy = Place(directory=directory, data=finished.data)
    shutil.rmtree(copy.run, ignore_errors=True)
    shutil.copytree(finished.run, copy.run)
    copy.sweep_file(SWEEP)
    return copy


@pytest.fixture
def place(finished: Place, tmp_path: Path) -> Place:
    """A copy of the finished run."""
    return copied(finished, tmp_path)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: the exit code, and what it printed on stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["fdt-sweep", *arguments])
            patch.setattr(sys, "stderr", sys.stderr)  # put back afterwards
            status = run_command_line()
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run


def commands(place: Place) -> dict[str, list[str]]:
    """Every command that reads a run, so that it trains nothing where all is well."""
    run, root, data = str(place.run), ["--runs-dir", str(place.run.parent)], ["--data-dir", str(place.data)]
    return {
        "status": ["status", run],
        "status --json": ["status", run, "--json"],
        "logs": ["logs", run],
        "gc": ["gc", run, "--yes"],
        "cancel": ["cancel", run, "--yes"],
        "results": ["results", run],
        "results --table cells": ["results", run, "--table", "cells"],
        "report": ["report", run],
        "retry": ["retry", run],
        "drive": ["drive", run],
        "launch": ["launch", str(place.directory / "small.yaml"), "--no-profile", *root, *data],
        "plan": ["plan", str(place.directory / "small.yaml"), *root, *data],
    }


def files_of(place: Place) -> dict[str, Path]:
    """The JSON files of a run."""
    run = RunDirectory(place.run)
    slurm = SlurmFiles(run.slurm)
    return {
        "plan.json": run.plan_file,
        "status.json": run.status_file,
        "driver": run.driver / "000001.json",
        "heartbeat": run.driver / "heartbeat.json",
        "launch.json": slurm.launch,
        "head.json": slurm.head,
        "demand.json": slurm.demand,
        "pool.json": slurm.pool,
        "worker": slurm.worker("8"),
        "jobs.jsonl": slurm.job_log,
    }


def assert_told_in_one_line(command: str, status: int, stderr: str) -> None:
    lines = [line for line in stderr.splitlines() if line.startswith("fdt-sweep: ")]
    assert status in DOCUMENTED, (command, status, stderr)
    assert "Traceback" not in stderr, (command, stderr)
    assert "a fault of fdt-sweep" not in stderr, (command, stderr)
    assert len(lines) == (1 if status in (2, 3) else 0), (command, status, stderr)
    assert len(stderr.splitlines()) <= 4, (command, stderr)


FILES = ("plan.json", "status.json", "driver", "heartbeat", "launch.json", "head.json", "demand.json", "pool.json")


def test_a_run_without_garbage_is_read_by_every_command(place: Place, say: Callable[..., tuple[int, str, str]]) -> None:
    for name, arguments in commands(place).items():
        status, _, stderr = say(*arguments)
        assert status == (3 if name == "cancel" else 0), (name, stderr)  # there is no squeue here


@pytest.mark.parametrize("file", [*FILES, "worker", "jobs.jsonl"])
def test_garbage_in_a_file_is_one_line(
    finished: Place, tmp_path: Path, say: Callable[..., tuple[int, str, str]], file: str
) -> None:
    found = commands(copied(finished, tmp_path))
    for number, kind in enumerate(GARBAGE):
        # Every kind meets a command that does not stop at the first file, every command some kinds.
        for name in {"status", *list(found)[number % 3 :: 3]}:
            path = files_of(copied(finished, tmp_path))[file]
            path.write_bytes(GARBAGE[kind])
            status, _, stderr = say(*found[name])
            assert_told_in_one_line(f"{name} with {kind} in {file}", status, stderr)
            if status == 3 and name != "cancel":
                assert str(path) in stderr


def _mutated(data: Any, chance: random.Random) -> Any:
    """`data` with one value somewhere in it replaced, or a key left out."""
    if isinstance(data, dict) and data and chance.random() < 0.8:
        key = chance.choice(sorted(data))
        if chance.random() < 0.2:
            return {name: value for name, value in data.items() if name != key}
        return data | {key: _mutated(data[key], chance)}
    if isinstance(data, list) and data and chance.random() < 0.8:
        index = chance.randrange(len(data))
        return [*data[:index], _mutated(data[index], chance), *data[index + 1 :]]
    return chance.choice(JUNK)


@pytest.mark.parametrize("file", [*FILES, "worker"])
def test_json_of_a_wrong_shape_is_one_line(
    finished: Place, tmp_path: Path, say: Callable[..., tuple[int, str, str]], file: str
) -> None:
    place = copied(finished, tmp_path)
    path = files_of(place)[file]
    good = json.loads(path.read_text())
    for seed in range(12):
        wrong = _mutated(good, random.Random(seed))
        for name in ("status", "results", "retry"):
            copied(finished, tmp_path)
            path.write_text(json.dumps(wrong))
            status, _, stderr = say(*commands(place)[name])
            assert_told_in_one_line(f"{name} with {json.dumps(wrong)} in {file}", status, stderr)
