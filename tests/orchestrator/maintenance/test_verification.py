"""`fdt-sweep verify`, and that every command that reads a run reports what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from fdt_core.datasets.prepared import prepared_digest
from fdt_core.results.writer import ResultsWriter
from orchestrator.cli import app
from orchestrator.maintenance.verification import verify_run
from orchestrator.plan.cells import Cell
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import claim
from orchestrator.run.run_directory import RunDirectory

pytestmark = pytest.mark.study

SWEEP = """\
name: small
models: [vgg11]
width: 0.125
templates: [base, c]
datasets: [digits]
seeds: 2
recipe: {base: quick, epochs: 2}
"""


def trial_row(cell: Cell, digest: str, **changes: Any) -> dict[str, Any]:
    return {
        **cell.columns(), "attempt": 1, "status": "done", "final_test_accuracy": 90.0 + cell.spec.seed,
        "dataset_digest": digest, **changes,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A finished run with its weights, and the checkpoint of a trial that a former plan left unfinished."""
    file, data = tmp_path / "small.yaml", tmp_path / "data"
    file.write_text(SWEEP)
    digest = prepared_digest("digits", data)
    plan = plan_sweep(file)
    made = RunDirectory(tmp_path / "runs" / "small")
    made.create()
    made.freeze(plan, SWEEP, {"settings": {"data_directory": str(data)}})
    claim(made.driver).release()
    made.status_file.write_text("{}")
    store = ResultsWriter(made.results)
    for cell in plan.cells:
        row = trial_row(cell, digest)
        epochs = [{"trial_id": cell.trial_id, "attempt": 1, "epoch": epoch} for epoch in (1, 2)]
        epochs[1]["test_accuracy"] = row["final_test_accuracy"]
        store.append("epochs", epochs)
        store.append("trials", [row])
        (made.checkpoints / cell.trial_id).mkdir()
        torch.save({"network": torch.zeros(1000)}, made.checkpoints / cell.trial_id / "final.pt")
    store.flush()
    working = made.checkpoints / "0123456789ab" / f"working-000001-{hashlib.sha256(b'state').hexdigest()}.pt"
    working.parent.mkdir()
    working.write_bytes(b"state")
    return made


def verify(run: RunDirectory, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", str(run.path), *arguments])


def test_a_whole_run_is_whole(run: RunDirectory) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    result = verify(run)
    assert result.exit_code == 0, result.stdout
    assert result.stdout == (
        "4 rows of trials, 4 of them planned, 8 rows of epochs, 0 rows of profiles, 5 files of weights: all is well\n"
    )
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def rewrite(run: RunDirectory, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write the run's rows of trials again, each changed."""
    from fdt_core.results.reader import read_table

    rows = read_table(run.results, "trials").rows.to_pylist()
    shutil.rmtree(run.results / "trials")
    store = ResultsWriter(run.results)
    store.append("trials", [change(row) for row in rows])
    store.flush()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_plan(run: RunDirectory) -> None:
    plan = json.loads(run.plan_file.read_text())
    plan["trials"][0]["spec"]["seed"] = 77
    run.plan_file.write_text(json.dumps(plan))


def other_data(run: RunDirectory) -> None:
    labels = next(run.path.parents[1].glob("data/digits/train_labels.npy"))
    changed = np.load(labels)
    changed[0] += 1
    np.save(labels, changed)


def final(run: RunDirectory) -> Path:
    return run.checkpoints / run.plan().cells[0].trial_id / "final.pt"


def working(run: RunDirectory) -> Path:
    return next(run.checkpoints.glob("*/working-*.pt"))


BLOWS: dict[str, tuple[Callable[[RunDirectory], object], str]] = {
    "results lost": (lambda run: shutil.rmtree(run.results), "results is missing"),
    "a part damaged": (lambda run: os.truncate(run.results / "epochs" / "part-000000.parquet", 99), "is damaged"),
    "weights lost": (lambda run: final(run).unlink(), "lacks weights that `keep: final` promises, of 1 finished trial"),
    "weights cut short": (lambda run: os.truncate(final(run), 500), "final.pt is damaged"),
    "weights changed": (lambda run: flip(final(run)), "final.pt is damaged"),
    "a checkpoint changed": (lambda run: flip(working(run)), "does not match the checksum in its name"),
    "no plan": (lambda run: run.plan_file.unlink(), "plan.json cannot be read"),
    "plan cut short": (lambda run: os.truncate(run.plan_file, 100), "plan.json cannot be read"),
    "plan changed": (change_plan, "plan.json describes other trials than it names"),
    "no sweep file": (lambda run: run.sweep_file.unlink(), "sweep.yaml is missing"),
    "half a sweep file": (lambda run: run.sweep_file.write_text("models: [vgg"), "sweep.yaml cannot be read"),
    "status of zeros": (lambda run: run.status_file.write_bytes(bytes(9)), "status.json is damaged"),
    "a driver's file": (lambda run: (run.driver / "000001.json").write_text("7"), "000001.json is damaged"),
    "a row of another network": (lambda run: rewrite(run, lambda row: row | {"params": 1}), "planned"),
    "an accuracy changed": (
        lambda run: rewrite(run, lambda row: row | {"final_test_accuracy": 99.0}),
        "has the final test accuracy 99.0, and its last epoch 90.0",
    ),
    "no accuracy": (
        lambda run: rewrite(run, lambda row: row | {"final_test_accuracy": None}), "done with the test accuracy None"
    ),
    "rows of other data": (
        lambda run: rewrite(run, lambda row: row | {"dataset_digest": f"digest{row['seed']}"}),
        "was not the same for all finished trials (digests digest0, digest1)",
    ),
    "data changed": (other_data, "does not hold what was prepared"),
}  # fmt: skip


@pytest.mark.parametrize("blow", BLOWS)
def test_every_kind_of_damage_is_found_with_its_cure_and_exit_3(run: RunDirectory, blow: str) -> None:
    strike, message = BLOWS[blow]
    strike(run)
    result = verify(run, "--json")
    assert result.exit_code == 3, result.output
    problems = json.loads(result.stdout)["problems"]
    assert any(message in f"{problem['path']} {problem['what']}" for problem in problems), problems
    assert all(problem["repair"] for problem in problems)
    lines = verify(run).stdout.splitlines()
    assert sum(message in line for line in lines) >= 1
    assert lines[-1].endswith(f"{len(problems)} problem{'s' * (len(problems) != 1)}")


def test_what_it_cannot_see_here_is_said(run: RunDirectory, tmp_path: Path) -> None:
    found = verify_run(run, tmp_path / "elsewhere")
    assert found.problems == ()
    assert "digits: not prepared in" in found.not_checked[0]


def test_weights_are_not_asked_of_reused_trials_nor_where_none_are_kept(run: RunDirectory) -> None:
    rewrite(run, lambda row: row | {"reused_from": "elsewhere"})
    final(run).unlink()
    assert verify_run(run).problems == ()


@pytest.mark.parametrize(
    "command",
    [
        ["results"], ["report"], ["status"], ["gc", "--yes"], ["verify"],
        pytest.param(["reproduce", "no-such-trial"], id="reproduce"),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_every_reader_says_what_is_damaged_in_one_line(run: RunDirectory, command: list[str]) -> None:
    epochs = run.results / "epochs" / "part-000000.parquet"
    os.truncate(epochs, 99)
    told = f"{epochs} is damaged and left out: put a copy of it back"
    name, *rest = command
    result = CliRunner().invoke(app, [name, str(run.path), *rest])
    output = result.stdout if name == "verify" else result.stderr
    assert sum(told in line for line in output.splitlines()) == 1, result.output


def test_the_plan_command_says_it_too(run: RunDirectory, tmp_path: Path) -> None:
    os.truncate(run.results / "trials" / "part-000000.parquet", 99)
    result = CliRunner().invoke(
        app, ["plan", str(tmp_path / "small.yaml"), "--runs-dir", str(run.path.parent), "--json"]
    )
    assert "part-000000.parquet is damaged" in result.stderr
    assert json.loads(result.stdout)["trials"]


def test_damaged_data_is_told_by_data_list(run: RunDirectory, tmp_path: Path) -> None:
    data = tmp_path / "data"
    whole = CliRunner().invoke(app, ["data", "list", "--data-dir", str(data)])
    assert whole.stderr == ""
    (data / "digits" / "test_labels.npy").unlink()
    result = CliRunner().invoke(app, ["data", "list", "--data-dir", str(data), "--json"])
    assert f"warning: {data / 'digits' / 'test_labels.npy'} is damaged" in result.stderr
    (digits,) = (row for row in json.loads(result.stdout) if row["name"] == "digits")
    assert digits["state"] == "damaged"


@pytest.mark.engine
def test_a_launch_with_nothing_to_do_says_what_is_damaged(place: Any) -> None:
    """An emptied part of epochs loses the learning curves permanently, and no trial runs again for it."""
    import pyarrow.parquet as pq

    from fdt_core.results.columns import arrow_schema

    place.sweep_file(SWEEP)
    assert "lacks epochs" not in place.launch("--limit", "1")
    pq.write_table(arrow_schema("epochs").empty_table(), place.run / "results" / "epochs" / "part-000000.parquet")
    output = place.launch("--limit", "1")
    assert "lacks epochs of 1 finished trial" in output
    assert "nothing to do" in output
