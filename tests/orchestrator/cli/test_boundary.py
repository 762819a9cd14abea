"""Whatever ends a command is one line on stderr and a documented exit code: garbage in files, disks, pipes, signals."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.profile.schema import load_profile
from cluster.slurm.files import SlurmFiles, write_record
from cluster.slurm.records import (
    Demand,
    HeadRecord,
    HeadState,
    JobRecord,
    PoolRecord,
    Role,
    SlurmLaunch,
    WorkerRecord,
    WorkerState,
)
from fdt_core.datasets.prepared import prepared_digest
from fdt_core.results.plan_file import PLAN_VERSION
from fdt_core.results.writer import ResultsWriter
from lab.sweeps import FDT_SWEEP, Place, fdt_sweep
from orchestrator.cli.boundary import exit_status, run_command_line
from orchestrator.launch.prepare import checked, claim_run, new_launch
from orchestrator.run.driver_status import DriverPlace
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.status_writer import StatusWriter

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
    launch = new_launch(place.sweep_file(SWEEP), runs_dir=place.run.parent, settings=settings)
    launch, run = checked(launch, load_profile("local")), launch.run
    run.create()
    launch.freeze()
    lease, cells = claim_run(run), launch.plan.cells
    done = {"attempt": 1, "status": "done", "dataset_digest": prepared_digest("digits", place.data)}
    store = ResultsWriter(run.results)
    store.append("trials", [cell.columns() | done | {"final_test_accuracy": 50.0} for cell in cells])
    curve = [
        {"attempt": 1, "epoch": epoch, "test_accuracy": 50.0} for epoch in range(1, cells[0].spec.recipe.epochs + 1)
    ]
    store.append(
        "epochs", [{"trial_id": trial_id, **row} for trial_id in {cell.trial_id for cell in cells} for row in curve]
    )
    store.flush()
    driver = DriverPlace(pid=os.getpid(), host="here", generation=lease.number)
    StatusWriter(status_file=run.status_file, driver=driver, beat=lease.beat).write(
        _progress(len(cells)), state="ended"
    )
    lease.release()
    _write_slurm_files(SlurmFiles(run.slurm))
    return place


def _progress(done: int) -> Any:
    from orchestrator.run.backlog import Progress

    return Progress(done=done, diverged=0, failed=0, held_back=0, total=done)


def _write_slurm_files(files: SlurmFiles) -> None:
    files.create()
    write_record(
        files.head,
        HeadRecord(state=HeadState.CLOSED, job_id="7", host="n1", why="the driver has ended", written_at=1.0),
    )
    write_record(files.demand, Demand(slots=0, per_worker=(1,)))
    write_record(files.pool, PoolRecord(written_at=1.0))
    worker = WorkerRecord(
        job_id="8",
        slurm_job_id="8",
        host="n1",
        node="n1",
        state=WorkerState.ENDED,
        started_at=1.0,
        beat=3,
        written_at=2.0,
    )
    write_record(files.worker("8"), worker)
    files.record_jobs([JobRecord(job_id=job, role=Role.WORKER, name="w", submitted_at=1.0) for job in ("8", "9")])
    launch = SlurmLaunch(
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
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, getattr(sys, name))  # put back afterwards
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
    assert "error: unexpected" not in stderr, (command, stderr)
    assert len(lines) == (1 if status in (2, 3) else 0), (command, status, stderr)
    assert len(stderr.splitlines()) <= 4, (command, stderr)


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


# Disks, pipes, rights and signals: real processes


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


def test_closed_standard_streams_are_no_error(place: Place) -> None:
    shown = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *FDT_SWEEP, *commands(place)["status"]], check=False
    )
    assert shown.returncode == 0


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
