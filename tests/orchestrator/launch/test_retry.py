"""A retry forgives once what failed until then, and all who look at the run agree on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fdt_core.errors import UsageError
from lab.sweeps import Place, fdt_sweep
from orchestrator.launch.prepare import new_launch
from orchestrator.launch.retry import retry_launch
from orchestrator.maintenance.garbage import find_garbage
from orchestrator.plan.cells import Cell
from orchestrator.run.launch_record import LaunchSettings, frozen_launch
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.plan_text import plan_json
from orchestrator.status.run_status import run_status
from tests.orchestrator.histories import digits, done, failed, frozen, leave_working, opened, write


@pytest.fixture
def run(place: Place) -> RunDirectory:
    """Four trials: one done, one that failed twice with an error, one that crashed, one not started."""
    launch = new_launch(
        place.directory / "small.yaml",
        runs_dir=place.run.parent,
        settings=LaunchSettings(data_directory=str(place.data), profile=False),
    )
    launch.run.create()
    launch.freeze()
    cells = launch.plan.cells
    errors = [failed(cells[1], "error", attempt=attempt) for attempt in (1, 2)]
    write(launch.run, [done(cells[0], digits(place.data)), *errors, failed(cells[2], "crash")])
    for cell in cells:
        leave_working(launch.run, cell)
    return launch.run


def begin_retry(run: RunDirectory, kind: str = "failed", limit: int | None = None) -> None:
    """A retry whose work begins, and is interrupted at once."""
    launch, _ = retry_launch(run, kind, limit=limit)
    launch.freeze()


def assert_given_up(run: RunDirectory, cells: Sequence[Cell]) -> None:
    """The driver, a head that starts again, status, plan and gc all hold `cells` to be given up, and no others."""
    with opened(run) as work:
        assert work.backlog.progress().failed == len(cells)
        waiting = {cell.trial_id for cell in iter(lambda: work.backlog.next(whole_device=False), None)}
    assert not waiting & {cell.trial_id for cell in cells}
    assert run_status(run).progress.failed == len(cells)
    progress: Any = plan_json(frozen_launch(run))["progress"]
    assert progress["failed"] == len(cells)
    checkpoints = {item.path.name for item in find_garbage(run) if item.reason.value == "its trial was given up"}
    assert checkpoints == {cell.trial_id for cell in cells}


def test_what_is_forgiven_is_frozen_when_the_work_begins_and_not_before(run: RunDirectory) -> None:
    cells, before = run.plan().cells, frozen(run)
    launch, trials = retry_launch(run, "failed")
    assert trials == (cells[1], cells[2])
    assert launch.forgiven == {cells[1].trial_id: 2, cells[2].trial_id: 1}
    assert launch.ledger().left(cells) == list(cells[1:])
    assert frozen(run) == before
    assert_given_up(run, cells[1:3])
    launch.freeze()
    assert_given_up(run, [])


def test_an_interrupted_retry_goes_on_as_one_and_forgives_nothing_more(run: RunDirectory) -> None:
    cells = run.plan().cells
    begin_retry(run)
    write(run, [failed(cells[1], "error", attempt=3), failed(cells[2], "crash", attempt=2)])
    assert_given_up(run, [cells[2]])  # one new error of the two that are allowed, and the one crash
    write(run, [failed(cells[1], "error", attempt=4)])
    assert_given_up(run, cells[1:3])
    begin_retry(run)
    assert_given_up(run, [])


def test_a_later_launch_keeps_what_was_forgiven(place: Place, run: RunDirectory) -> None:
    begin_retry(run)
    again = new_launch(
        place.directory / "small.yaml",
        runs_dir=place.run.parent,
        overrides=["seeds=3"],
        settings=LaunchSettings(data_directory=str(place.data)),
    )
    again.freeze()
    assert_given_up(run, [])


@pytest.mark.parametrize(("kind", "expected"), [("crash", [2]), ("error", [1]), ("oom", []), ("all", [1, 2])])
def test_only_the_kind_that_was_asked_for_is_tried_again(run: RunDirectory, kind: str, expected: list[int]) -> None:
    cells = run.plan().cells
    _, trials = retry_launch(run, kind)
    assert list(trials) == [cells[index] for index in expected]


def test_an_unknown_kind_is_refused(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"unknown failure kind 'ooom'.*did you mean 'oom'"):
        retry_launch(run, "ooom")


def test_a_limit_forgives_the_first_ones_of_the_plan(run: RunDirectory) -> None:
    cells = run.plan().cells
    begin_retry(run, limit=1)
    assert_given_up(run, [cells[2]])


def test_a_filter_forgives_only_the_cells_that_it_keeps(run: RunDirectory) -> None:
    cells = run.plan().cells
    chosen = cells[2]
    launch, trials = retry_launch(run, "failed", filters=[f"template={chosen.template}", f"seed={chosen.spec.seed}"])
    assert trials == (chosen,)
    assert launch.plan.cells == cells
    with pytest.raises(UsageError, match="no template is 'd'"):
        retry_launch(run, "failed", filters=["template=d"])


def test_settings_that_change_no_trial_are_laid_over_the_frozen_sweep_file(run: RunDirectory) -> None:
    before = run.plan()
    launch, _ = retry_launch(run, "failed", overrides=["resources.time_limit=3600", "checkpoint_interval=5"])
    assert (launch.plan.resources.time_limit, launch.plan.checkpoint_interval) == (3600, 5)
    assert launch.plan.cells == before.cells
    with pytest.raises(UsageError, match="makes other trials than those that failed"):
        retry_launch(run, "failed", overrides=["epochs=3"])


@pytest.mark.process
def test_a_retry_shows_what_it_would_try_again_and_changes_nothing(run: RunDirectory) -> None:
    cells, before = run.plan().cells, frozen(run)
    shown = fdt_sweep("retry", str(run.path), "-n", "--limit", "1")
    assert shown.returncode == 0, shown.stderr
    assert f"{cells[1].trial_id}  vgg11  {cells[1].template}  digits  {cells[1].spec.seed}" in shown.stdout
    assert "failed with: error, error" in shown.stdout
    assert "1 to retry; 2 trials to run in all" in shown.stdout
    told = json.loads(fdt_sweep("retry", str(run.path), "crash", "-n", "--json").stdout)
    assert [(trial["trial_id"], trial["failures"]) for trial in told["retry"]] == [(cells[2].trial_id, ["crash"])]
    assert frozen(run) == before


@pytest.mark.process
@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("cluster.scratch=/nowhere", 3, "/nowhere"),
        ("cluster.cpus_per_node=0", 2, "cpus_per_node"),
        ("epochs=3", 2, "makes other trials"),
    ],
)
def test_a_refused_retry_forgives_nothing(run: RunDirectory, setting: str, code: int, said: str) -> None:
    before = frozen(run)
    refused = fdt_sweep("retry", str(run.path), "--set", setting)
    assert refused.returncode == code, refused.stderr
    assert said in refused.stderr
    assert frozen(run) == before


@pytest.mark.process
def test_a_retry_with_nothing_to_do_is_told_in_json_too(place: Place, run: RunDirectory) -> None:
    cells = run.plan().cells
    write(run, [done(cell, digits(place.data), attempt=3) for cell in cells[1:]])
    ended = fdt_sweep("retry", str(run.path), "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["action"], told["progress"]["done"]) == ("nothing to do", 4)


@pytest.mark.process
def test_damage_to_what_was_forgiven_is_told_in_one_line(run: RunDirectory) -> None:
    run.forgiven_file.write_text("{")
    shown = fdt_sweep("status", str(run.path))
    assert shown.returncode == 3
    (line,) = [line for line in shown.stderr.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("fdt-sweep: error: ")
    assert "forgiven.json is damaged" in line
