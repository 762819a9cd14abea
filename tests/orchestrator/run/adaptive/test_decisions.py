"""Decisions are recorded once, after the rows that they follow from, and again only if these change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fdt_core.results.decisions import asked_seeds, comparison_of, current_decisions
from fdt_core.results.reader import read_table
from orchestrator.maintenance.verification import verify_run
from orchestrator.plan.cells import SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.adaptive.wanted_cells import WantedCells
from orchestrator.run.ledger import Ledger
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.run_status import run_status
from orchestrator.status.status_text import status_text
from tests.orchestrator.adaptive_plans import accuracies, adaptive_plan, drive, recorded

pytestmark = pytest.mark.study


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "adaptive")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def plan(folder: Path) -> SweepPlan:
    """The plan of `folder`/adaptive.yaml."""
    return adaptive_plan(folder)


def decisions_of(run: RunDirectory) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(run.results, "decisions").rows.to_pylist()
    return rows


def test_a_stop_after_any_number_of_trials_changes_nothing(tmp_path: Path, plan: SweepPlan) -> None:
    found = accuracies(plan)
    undisturbed = RunDirectory(tmp_path / "undisturbed")
    total = drive(undisturbed, plan, found)
    expected = repr(recorded(undisturbed.results))
    for at_once in (5, 17):
        run = RunDirectory(tmp_path / f"by {at_once}")
        count = 0
        while ended := drive(run, plan, found, most=at_once, order=at_once):
            count += ended
        assert count == total
        assert repr(recorded(run.results)) == expected


def test_a_decision_that_a_kill_has_lost_is_written_by_the_next_driver(run: RunDirectory, plan: SweepPlan) -> None:
    found = accuracies(plan)
    drive(run, plan, found)
    expected = repr(recorded(run.results))
    for part in (run.results / "decisions").iterdir():
        part.unlink()
    assert drive(run, plan, found) == 0
    assert repr(recorded(run.results)) == expected


def test_a_look_that_a_retry_changes_is_recorded_again_and_the_former_one_no_longer_holds(
    run: RunDirectory, plan: SweepPlan
) -> None:
    assert plan.looks is not None
    found = accuracies(plan)
    failing = next(cell for cell in plan.cells if cell.template == "a" and cell.spec.seed == 0)
    drive(run, plan, {name: value for name, value in found.items() if name != failing.trial_id})
    before = current_decisions(decisions_of(run), plan.looks)
    comparison = comparison_of({**failing.columns()})
    assert before[comparison][0]["pairs"] == 2
    run.forgive({failing.trial_id: 99})
    drive(run, plan, found)
    after = current_decisions(decisions_of(run), plan.looks)
    assert after[comparison][0]["pairs"] == 3
    assert [row["look"] for row in after[comparison]] == list(range(1, len(after[comparison]) + 1))
    assert verify_run(run).problems == ()


def test_decisions_of_a_former_plan_do_not_hold(run: RunDirectory, plan: SweepPlan, folder: Path) -> None:
    found = accuracies(plan)
    drive(run, plan, found)
    stricter = plan_sweep(folder / "adaptive.yaml", ["seeds.until.error=0.001"])
    assert stricter.looks is not None
    assert current_decisions(decisions_of(run), stricter.looks) == {}
    drive(run, stricter, found)
    assert {row["error_rate"] for row in recorded(run.results)[0]} == {0.05, 0.001}
    holding = current_decisions(decisions_of(run), stricter.looks)
    assert {row["error_rate"] for rows in holding.values() for row in rows} == {0.001}


def test_what_is_asked_for_by_the_records_is_what_the_driver_wants(run: RunDirectory, plan: SweepPlan) -> None:
    assert plan.looks is not None
    found, step = accuracies(plan), 0
    while drive(run, plan, found, most=11, order=step):
        step += 1
        wanted = WantedCells(plan.cells, plan.looks, Ledger.read(run))
        rows = decisions_of(run)
        last = {each: taken[-1] for each, taken in current_decisions(rows, plan.looks).items()}
        comparisons = {comparison_of(cell.columns()): None for cell in plan.cells}
        counts = asked_seeds(comparisons, last, plan.looks)
        for cell in plan.cells:
            assert wanted.wants(cell.trial_id) == (cell.spec.seed < counts[comparison_of(cell.columns())])


def test_a_run_without_adaptive_seeds_has_no_decisions(run: RunDirectory, plan: SweepPlan, folder: Path) -> None:
    fixed = plan_sweep(folder / "adaptive.yaml", ["seeds=3"])
    assert drive(run, fixed, accuracies(plan)) == len(fixed.cells)
    assert not (run.results / "decisions").exists()
    assert verify_run(run).problems == ()


def test_status_shows_what_is_settled_and_spared(run: RunDirectory, plan: SweepPlan) -> None:
    drive(run, plan, accuracies(plan), most=25)
    status = run_status(run)
    text = status_text(status)
    assert status.looks is not None
    assert f"{status.progress.spared} spared so far, {status.progress.left} left of 90" in text
    assert "of 8 comparisons with base settled" in text
    drive(run, plan, accuracies(plan))
    ended = run_status(run)
    assert ended.looks is not None
    assert ended.progress.left == 0
    assert sum(ended.looks.settled.values()) >= 4
    assert "so far" not in status_text(ended)
    stored = json.loads(json.dumps(ended.to_json()))
    assert stored["looks"] == {
        "comparisons": 8,
        "settled": {"superior": 2, "inferior": 2, "non-inferior": 2},
        "spared": 6 * 6,
    }
    assert {cell["verdict"] for cell in stored["cells"] if cell["template"] == "b"} == {"inferior"}
    assert "a 3/3 superior  b 3/3 inferior  base 9/9  c 9/9 undecided  d 3/3 non-inferior" in status_text(ended)


def test_verify_finds_a_decision_that_the_trials_do_not_give(run: RunDirectory, plan: SweepPlan) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    drive(run, plan, accuracies(plan))
    assert verify_run(run).problems == ()
    (part,) = (run.results / "decisions").iterdir()
    table = pq.read_table(part)
    rows = table.to_pylist()
    rows[-1] = {**rows[-1], "verdict": "superior" if rows[-1]["verdict"] != "superior" else "inferior"}
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), part)
    (problem,) = verify_run(run).problems
    assert "holds 1 decision that the trials do not give" in problem.what
    drive(run, plan, accuracies(plan))
    assert verify_run(run).problems == (), "the next driver records it anew"


def test_more_seeds_continue_an_adaptive_run(run: RunDirectory, plan: SweepPlan, folder: Path, tmp_path: Path) -> None:
    longer = plan_sweep(folder / "adaptive.yaml", ["seeds.to=12", "seeds.looks=[3,5,9,12]"])
    found = accuracies(longer)
    first = drive(run, plan, found)
    more = drive(run, longer, found)
    assert more > 0
    again = RunDirectory(tmp_path / "again")
    assert drive(again, longer, found) <= first + more
    assert replace(longer, looks=None) != longer


def test_what_no_longer_follows_from_the_rows_is_withdrawn(run: RunDirectory, plan: SweepPlan) -> None:
    assert plan.looks is not None
    found = accuracies(plan)
    failing = next(cell for cell in plan.cells if cell.template == "a" and cell.spec.seed == 0)
    drive(run, plan, {name: value for name, value in found.items() if name != failing.trial_id})
    run.forgive({failing.trial_id: 99})
    drive(run, plan, found, most=0)  # the retry has started, and its trial has not ended
    rows = decisions_of(run)
    assert rows[-1]["verdict"] == "withdrawn"
    holding = {each[2] for each, taken in current_decisions(rows, plan.looks).items() if taken}
    assert failing.variant not in holding, "the first look of its block waits for it"
    assert verify_run(run).problems == ()
    drive(run, plan, found)
    assert all(current_decisions(decisions_of(run), plan.looks).values())


def test_what_was_trained_is_not_spared(run: RunDirectory, plan: SweepPlan) -> None:
    drive(run, plan.without_stops(), accuracies(plan))
    assert drive(run, plan, accuracies(plan)) == 0
    status = run_status(run)
    assert status.looks is not None
    assert (status.looks.spared, status.progress.spared) == (0, 0)


def test_decisions_at_another_margin_do_not_hold(run: RunDirectory, plan: SweepPlan) -> None:
    assert plan.looks is not None
    drive(run, plan, accuracies(plan))
    wider = replace(plan.looks, margin=2.0)
    assert current_decisions(decisions_of(run), wider) == {}
