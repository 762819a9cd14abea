"""What `gc` removes, and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from lab.sweeps import fdt_sweep
from orchestrator.maintenance.garbage import Reason, find_garbage, remove
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.driver_lease import claim
from orchestrator.run.run_directory import RunDirectory
from tests.orchestrator.histories import done, failed, leave_weights, leave_working, write

DEMO = Path(__file__).parents[3] / "sweeps" / "demo.yaml"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with a finished trial, a given-up one, an unfinished one, two of a former plan, and what a crash left."""
    plan, former = plan_sweep(DEMO), plan_sweep(DEMO, ["epochs=3"])
    made = RunDirectory(tmp_path / "demo")
    made.create()
    made.freeze(plan, "", {})
    finished, crashed, unfinished = plan.cells[:3]
    write(made, [done(finished), failed(crashed), done(former.cells[0])])
    leave_weights(made, finished)
    leave_working(made, finished)
    leave_working(made, crashed)
    leave_working(made, unfinished)
    leave_weights(made, former.cells[0])
    leave_working(made, former.cells[1])
    for cell in (*plan.cells[:3], *former.cells[:2]):
        made.log(cell.trial_id).write_text("log")
    (made.checkpoints / unfinished.trial_id / ".working-000002.pt.partial").write_bytes(b"half")
    (made.checkpoints / "notes of mine").mkdir()
    (made.results / ".tmp" / "trials-000000.parquet").write_bytes(b"half")
    (made.results / "quarantine").mkdir()
    (made.results / "quarantine" / "trials-part-000000-1.parquet").write_bytes(b"damaged")
    return made


def found(run: RunDirectory) -> dict[str, str]:
    return {str(item.path.relative_to(run.path)): item.reason.value for item in find_garbage(run)}


def test_only_what_no_row_needs_is_found(run: RunDirectory) -> None:
    finished, crashed, unfinished = (cell.trial_id for cell in run.plan().cells[:3])
    half_trained = plan_sweep(DEMO, ["epochs=3"]).cells[1].trial_id
    assert found(run) == {
        f"checkpoints/{finished}/working-000002-0123.pt": "its trial is finished: no longer needed to resume it",
        f"checkpoints/{crashed}": "its trial was given up",
        f"checkpoints/{half_trained}": "half-trained, and its trial is not part of the plan",
        f"checkpoints/{unfinished}/.working-000002.pt.partial": "left by a writer that died",
        "results/.tmp/trials-000000.parquet": "left by a writer that died",
        "results/quarantine/trials-part-000000-1.parquet": "a damaged part",
    }


def test_exactly_what_was_found_is_removed(run: RunDirectory) -> None:
    garbage = find_garbage(run)
    before = {path for path in run.path.rglob("*") if path.is_file()}
    remove(garbage)
    gone = before - {path for path in run.path.rglob("*") if path.is_file()}
    assert {next(item.path for item in garbage if item.path in (path, path.parent)) for path in gone} == {
        item.path for item in garbage
    }
    assert find_garbage(run) == []
    assert (run.checkpoints / "notes of mine").exists()


@pytest.mark.parametrize("overrides", [["epochs=3"], ["seeds=1"], ["templates=[base]"], ["width=0.25"]])
def test_weights_of_finished_trials_stay_whatever_plan_is_frozen(tmp_path: Path, overrides: list[str]) -> None:
    run, plan = RunDirectory(tmp_path / "demo"), plan_sweep(DEMO)
    run.create()
    write(run, [done(cell) for cell in plan.cells])
    weights = [leave_weights(run, cell) for cell in plan.cells]
    for frozen in (plan_sweep(DEMO, overrides), plan.first(1)):
        run.freeze(frozen, "", {})
        remove(find_garbage(run))
        assert all(path.exists() for path in weights)


def test_a_forgiven_failure_is_no_reason_to_remove_a_checkpoint(run: RunDirectory) -> None:
    crashed = run.plan().cells[1].trial_id
    assert f"checkpoints/{crashed}" in found(run)
    run.forgive({crashed: 1})
    assert f"checkpoints/{crashed}" not in found(run)


def test_where_rows_cannot_be_read_no_checkpoint_is_judged(run: RunDirectory) -> None:
    (run.results / "trials" / "part-000000.parquet").write_bytes(b"damaged")
    assert not any(path.startswith("checkpoints/") and "partial" not in path for path in found(run))


@pytest.mark.parametrize("name", ["final.pt", "best.pt"])
def test_weights_without_a_row_stay(run: RunDirectory, name: str) -> None:
    """The row may have been in a part that was damaged and set aside."""
    former = plan_sweep(DEMO, ["epochs=3"]).cells[1]
    leave_weights(run, former, name=name)
    assert f"checkpoints/{former.trial_id}" not in found(run)


def test_a_named_trial_goes_whole_and_alone(run: RunDirectory) -> None:
    finished = run.plan().cells[0].trial_id
    (item,) = find_garbage(run, [finished[:8]])
    assert (item.path.name, item.reason) == (finished, Reason.NAMED)
    with pytest.raises(UsageError, match=r"no trial of .* has an id that starts with 'xyz'"):
        find_garbage(run, ["xyz"])
    (run.checkpoints / f"{finished[:-1]}{'0' if finished[-1] != '0' else '1'}").mkdir()
    with pytest.raises(UsageError, match=r"2 trials of .* have ids that start"):
        find_garbage(run, [finished[:8]])


@pytest.mark.process
def test_gc_asks_removes_and_never_works_under_a_driver(run: RunDirectory) -> None:
    asked = fdt_sweep("gc", str(run.path))
    assert asked.returncode == 2
    assert "give --yes" in asked.stderr
    assert "its trial was given up" in asked.stdout
    driver = claim(run.driver)
    refused = fdt_sweep("gc", str(run.path), "--yes")
    assert refused.returncode == 3
    assert "another driver is running this sweep" in refused.stderr
    driver.release()
    assert fdt_sweep("gc", str(run.path), "--yes").returncode == 0
    again = fdt_sweep("gc", str(run.path))
    assert "nothing to remove" in again.stdout
    assert "stays (half-trained, and its trial is not part of the plan; --former removes it)" in again.stdout
    assert fdt_sweep("gc", str(run.path), "--yes", "--former").returncode == 0
    assert found(run) == {}


@pytest.mark.process
def test_gc_shows_what_would_go_and_why_and_removes_nothing(run: RunDirectory) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    shown = fdt_sweep("gc", str(run.path), "-n", "--json")
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["removed"] is False
    listed = {item["path"]: (item["reason"], item["bytes"]) for item in [*told["remove"], *told["stay"]]}
    assert listed == {str(item.path): (item.reason.value, item.size) for item in find_garbage(run)}
    assert [item["reason"] for item in told["stay"]] == ["half-trained, and its trial is not part of the plan"]
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


@pytest.mark.process
def test_gc_of_a_named_trial_leaves_its_rows(run: RunDirectory) -> None:
    finished = run.plan().cells[0].trial_id
    rows = (run.results / "trials" / "part-000000.parquet").read_bytes()
    shown = fdt_sweep("gc", str(run.path), "--trials", finished[:8], "--yes")
    assert shown.returncode == 0, shown.stderr
    assert not (run.checkpoints / finished).exists()
    assert len(list(run.checkpoints.iterdir())) == 5
    assert (run.results / "trials" / "part-000000.parquet").read_bytes() == rows
