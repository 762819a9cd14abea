"""The same trial under another label, or in another run, is not trained again: it gets its row, epochs and weights."""

from __future__ import annotations

import errno
import os
from collections import Counter

import pandas as pd
import pytest

from fdt_core.results.reader import ROW_KEYS
from lab.sweeps import SWEEP, Place, fdt_sweep
from orchestrator.launch.prepare import new_launch
from orchestrator.run.launch_record import Launch, LaunchSettings
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.histories import (
    digits,
    done,
    epochs,
    failed,
    leave_weights,
    leave_working,
    opened,
    write,
)

OWN = SWEEP.replace("[base, c]", "[base, {name: bulge, points: [[0, 0], [0.7, 1], [1, 0]]}]")


def launch_at(place: Place, text: str = OWN, *overrides: str, reuse: tuple[str, ...] = ()) -> Launch:
    launch = new_launch(
        place.sweep_file(text),
        runs_dir=place.run.parent,
        overrides=overrides,
        settings=LaunchSettings(data_directory=str(place.data), profile=False, reuse=reuse),
    )
    launch.run.create()
    launch.freeze()
    return launch


def finish(launch: Launch, place: Place, *, attempt: int = 1) -> None:
    """Rows, epochs and weights of all trials of a launch."""
    cells = launch.plan.cells
    rows = [done(cell, digits(place.data), attempt=attempt, accuracy=80.0 + n) for n, cell in enumerate(cells)]
    write(launch.run, rows, [row for cell in cells for row in epochs(cell, 8, attempt=attempt)])
    for cell in cells:
        leave_weights(launch.run, cell, cell.trial_id.encode())


def table(run: RunDirectory, name: str) -> pd.DataFrame:
    """A table as pandas reads it: no row may be there twice."""
    found = pd.read_parquet(run.results / name)
    assert not found.duplicated(list(ROW_KEYS[name])).any()
    return found


@pytest.mark.parametrize(
    "change",
    [
        ("name: bulge", "name: hump"),
        ("seeds: 2", "seeds: 3\nbudget: {rule: at_most}"),
    ],
)
def test_a_trial_under_another_label_gets_its_row_and_is_not_trained_again(
    place: Place, change: tuple[str, str]
) -> None:
    before = launch_at(place)
    finish(before, place)
    after = launch_at(place, OWN.replace(*change))
    known = {cell.trial_id for cell in before.plan.cells}
    relabelled = [cell for cell in after.plan.cells if cell.trial_id in known]
    assert relabelled, "some trial is the same"
    assert {cell.key for cell in after.plan.cells} != {cell.key for cell in before.plan.cells}
    with opened(after.run) as work:
        assert work.backlog.progress().done == len(relabelled)
    with opened(after.run):
        pass  # a restart writes nothing twice
    trials = table(after.run, "trials")
    labels = list(zip(trials.trial_id, trials.template, trials.budget_rule, trials.status, trials.attempt, strict=True))
    for cell in relabelled:
        assert (cell.trial_id, cell.template, cell.budget_rule, "done", 1) in labels
    assert len(table(after.run, "epochs")) == 8 * len(before.plan.cells)
    assert len(trials) == len({cell.key for cell in (*before.plan.cells, *relabelled)})


def test_epochs_under_another_label_count_on_where_they_were(place: Place) -> None:
    """A failed attempt and a half-trained one belong to the trial, whatever its label was then."""
    before = launch_at(place)
    crashed, half_trained = before.plan.cells[:2]
    write(before.run, [failed(crashed, "error")], [*epochs(crashed, 3), *epochs(half_trained, 2)])
    after = launch_at(place, OWN.replace("name: bulge", "name: hump"))
    with opened(after.run) as work:
        assert work.backlog.attempt(crashed.trial_id) == 2
        assert work.backlog.attempt(half_trained.trial_id) == 1


@pytest.mark.process
@pytest.mark.parametrize("by", ["name", "path"])
@pytest.mark.parametrize("option", ["--reuse", "--rename-from"])
def test_a_renamed_study_comes_along_with_epochs_and_weights(place: Place, option: str, by: str) -> None:
    old = launch_at(place)
    finish(old, place)
    place.sweep_file(OWN.replace("name: small", "name: renamed"))
    source = {"name": "small", "path": str(old.run.path)}[by]
    options = ["--runs-dir", str(place.run.parent), "--data-dir", str(place.data), "--no-profile"]
    command = ["launch", str(place.directory / "small.yaml"), *options, option, source]
    assert "done      4, failed 0, to run 0" in fdt_sweep(*command, "-n").stdout
    ended = fdt_sweep(*command)
    assert ended.returncode == 0, ended.stderr
    assert "nothing to do: 4 of 4 trials are done" in ended.stderr
    new = RunDirectory(place.run.parent / "renamed")
    trials = table(new, "trials")
    assert set(trials.sweep) == {"renamed"}
    assert set(trials.reused_from) == {str(old.run.path)}
    theirs = table(old.run, "trials").set_index("trial_id").final_test_accuracy
    assert trials.set_index("trial_id").final_test_accuracy.to_dict() == theirs.to_dict()
    merged = trials.merge(table(new, "epochs"), on=["trial_id", "attempt"])
    assert merged.groupby("trial_id").epoch.apply(tuple).map(lambda got: got == tuple(range(1, 9))).all()
    for cell in old.plan.cells:
        assert (new.checkpoints / cell.trial_id / "final.pt").read_bytes() == cell.trial_id.encode()


def test_weights_outlive_the_run_they_came_from(place: Place) -> None:
    old = launch_at(place)
    finish(old, place)
    new = launch_at(place, OWN.replace("name: small", "name: renamed"), reuse=(str(old.run.path),))
    with opened(new.run):
        pass
    for file in old.run.checkpoints.rglob("*.pt"):
        file.unlink()
    with opened(new.run) as work:
        assert work.backlog.progress().done == 4
    assert len(list(new.run.checkpoints.rglob("final.pt"))) == 4


def test_weights_are_copied_where_files_cannot_have_two_names(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    old = launch_at(place)
    finish(old, place)
    new = launch_at(place, OWN.replace("name: small", "name: renamed"), reuse=(str(old.run.path),))
    link = os.link
    monkeypatch.setattr(
        os, "link", lambda source, target: link(source, target) if "driver" in str(target) else refuse()
    )
    with opened(new.run):
        pass
    for cell in new.plan.cells:
        copy = new.run.checkpoints / cell.trial_id / "final.pt"
        assert copy.read_bytes() == cell.trial_id.encode()
        assert copy.stat().st_nlink == 1


def test_what_is_reused_stands_beside_what_failed_and_was_half_trained_here(place: Place) -> None:
    """The copied row gets a new attempt: its epochs and those of this run are never mixed."""
    old = launch_at(place)
    finish(old, place, attempt=2)
    new = launch_at(place, OWN.replace("name: small", "name: renamed"), reuse=(str(old.run.path),))
    crashed, half_trained = new.plan.cells[:2]
    write(new.run, [failed(crashed), failed(crashed, attempt=2)], [*epochs(crashed, 3), *epochs(half_trained, 2)])
    leave_working(new.run, half_trained)
    with opened(new.run) as work:
        assert work.backlog.progress().done == 4
    trials = table(new.run, "trials").query("status == 'done'").set_index("trial_id")
    assert trials.attempt[crashed.trial_id] == 3
    assert trials.attempt[half_trained.trial_id] == 2
    written = table(new.run, "epochs")
    counts = Counter(zip(written.trial_id, written.attempt, strict=True))
    assert [counts[crashed.trial_id, attempt] for attempt in (1, 2, 3)] == [3, 0, 8]
    assert [counts[half_trained.trial_id, attempt] for attempt in (1, 2, 3)] == [2, 8, 0]
    assert [path.name for path in (new.run.checkpoints / half_trained.trial_id).iterdir()] == ["final.pt"]


def test_rows_that_come_from_other_data_are_not_reused(place: Place) -> None:
    old = launch_at(place)
    write(old.run, [done(cell, "other data") for cell in old.plan.cells])
    new = launch_at(place, OWN.replace("name: small", "name: renamed"), reuse=(str(old.run.path),))
    with opened(new.run) as work:
        assert work.backlog.progress().done == 0
    assert not list(new.run.checkpoints.iterdir())


def test_a_label_that_failed_in_version_0_1_0_gets_the_row_of_its_twin(place: Place) -> None:
    """There each label counted its own attempts: two attempts of one trial could have the same number."""
    before = launch_at(place)
    finish(before, place)
    after = launch_at(place, OWN.replace("name: bulge", "name: hump"))
    hump = next(cell for cell in after.plan.cells if cell.template == "hump")
    write(after.run, [failed(hump)])
    for _ in range(2):
        with opened(after.run) as work:
            assert work.backlog.progress().done == 4
    rows = table(after.run, "trials").query(f"trial_id == '{hump.trial_id}' and template == 'hump'")
    assert list(zip(rows.status, rows.attempt, strict=True)) == [("failed", 1), ("done", 2)]
    counts = table(after.run, "epochs").query(f"trial_id == '{hump.trial_id}'").groupby("attempt").size()
    assert counts.to_dict() == {1: 8, 2: 8}


def test_a_half_trained_trial_comes_along_once_and_leaves_the_other_run_as_it_was(place: Place) -> None:
    old = launch_at(place)
    cell = old.plan.cells[0]
    checkpoint = leave_working(old.run, cell)
    log = checkpoint.with_name("starts.jsonl")
    log.write_text("\n{}")
    new = launch_at(place, OWN.replace("name: small", "name: renamed"), reuse=(str(old.run.path),))
    with opened(new.run) as work:
        assert work.backlog.progress().left == 4
    here = new.run.checkpoints / cell.trial_id
    assert {path.name: path.read_bytes() for path in here.iterdir()} == {
        path.name: path.read_bytes() for path in (checkpoint, log)
    }
    with (here / "starts.jsonl").open("a") as grown:
        grown.write("more")
    (here / checkpoint.name).rename(here / "working-000003-4567.pt")
    with opened(new.run):
        pass
    assert (log.read_text(), sorted(path.name for path in here.iterdir())) == (
        "\n{}",
        ["starts.jsonl", "working-000003-4567.pt"],
    )
