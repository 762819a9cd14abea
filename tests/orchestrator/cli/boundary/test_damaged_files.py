"""Garbage in a file of a run is one line on stderr and a documented exit code."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.slurm.files import SlurmFiles
from fdt_core.results.plan_file import PLAN_VERSION
from lab.sweeps import Place
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.cli.boundary.finished_run import assert_told_in_one_line, commands, copied

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


FILES = ("plan.json", "status.json", "driver", "heartbeat", "launch.json", "head.json", "demand.json", "pool.json")


def test_a_run_without_garbage_is_read_by_every_command(place: Place, say: Callable[..., tuple[int, str, str]]) -> None:
    for name, arguments in commands(place).items():
        status, _, stderr = say(*arguments)
        assert status == (3 if name == "cancel" else 0), (name, stderr)  # there is no squeue here


@pytest.mark.process
@pytest.mark.parametrize("file", [*FILES, "worker", "jobs.jsonl"])
def test_garbage_in_a_file_is_one_line(
    finished: Place, tmp_path: Path, say: Callable[..., tuple[int, str, str]], file: str
) -> None:
    found = commands(copied(finished, tmp_path))
    names = list(found)
    # Each kind of garbage meets another command in each file; that in the plan meets three.
    for number, kind in enumerate(GARBAGE, start=FILES.index(file) if file in FILES else 0):
        for name in [names[(number + step) % len(names)] for step in ((0, 4, 8) if file == "plan.json" else (0,))]:
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


@pytest.mark.process
@pytest.mark.parametrize(
    ("file", "count", "names"),
    [
        ("plan.json", 16, ("status", "results", "retry")),
        ("status.json", 10, ("status",)),
        ("driver", 6, ("retry",)),
        ("head.json", 6, ("status",)),
        ("worker", 6, ("status",)),
    ],
)
def test_json_of_a_wrong_shape_is_one_line(
    finished: Place,
    tmp_path: Path,
    say: Callable[..., tuple[int, str, str]],
    file: str,
    count: int,
    names: Sequence[str],
) -> None:
    place = copied(finished, tmp_path)
    path = files_of(place)[file]
    good = json.loads(path.read_text())
    for seed in range(count):
        wrong = _mutated(good, random.Random(seed))
        for name in names:
            copied(finished, tmp_path)
            path.write_text(json.dumps(wrong))
            status, _, stderr = say(*commands(place)[name])
            assert_told_in_one_line(f"{name} with {json.dumps(wrong)} in {file}", status, stderr)


@pytest.mark.parametrize("kind", ["no JSON", "binary", "a list", "another object"])
def test_no_report_of_a_damaged_plan(place: Place, say: Callable[..., tuple[int, str, str]], kind: str) -> None:
    (place.run / "plan.json").write_bytes(GARBAGE[kind])
    status, _, stderr = say("report", str(place.run))
    assert_told_in_one_line(f"report with {kind}", status, stderr)
    assert status == 3


@pytest.mark.parametrize("command", ["status", "gc", "results", "report", "retry", "drive", "launch"])
def test_a_plan_of_a_newer_version_is_refused_and_an_older_one_is_read(
    place: Place, say: Callable[..., tuple[int, str, str]], command: str
) -> None:
    arguments = {**commands(place), "report": ["report", str(place.run)]}[command]
    plan = json.loads((place.run / "plan.json").read_text())
    for version in (PLAN_VERSION + 1, 10**9):
        text = json.dumps(plan | {"plan_version": version, "trials": "of another shape"})
        (place.run / "plan.json").write_text(text)
        status, _, stderr = say(*arguments)
        assert (status, len(stderr.splitlines())) == (3, 1), stderr
        assert f"has plan version {version}, and this fdt-sweep reads versions up to {PLAN_VERSION}" in stderr
        assert "use that one" in stderr
        assert (place.run / "plan.json").read_text() == text
    (place.run / "plan.json").write_text(json.dumps(plan | {"plan_version": PLAN_VERSION - 1}))
    status, _, stderr = say(*arguments)
    assert status == 0, stderr


def test_a_damaged_status_is_told_beside_the_counts(place: Place, say: Callable[..., tuple[int, str, str]]) -> None:
    (place.run / "status.json").write_text("[1]")
    _, stdout, _ = say("status", str(place.run))
    assert "2 done" in stdout
    assert f"{place.run / 'status.json'} is damaged" in stdout


def test_a_damaged_file_of_a_driver_is_no_reason_to_drive_beside_it(
    place: Place, say: Callable[..., tuple[int, str, str]]
) -> None:
    path = place.run / "driver" / "000001.json"
    path.write_text("")
    status, _, stderr = say("retry", str(place.run))
    assert status == 3
    assert "if no driver is running, remove the file" in stderr
    path.unlink()
    status, _, stderr = say("retry", str(place.run))
    assert status == 0, stderr
