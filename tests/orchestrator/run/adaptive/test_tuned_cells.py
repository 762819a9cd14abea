"""Candidates go as far as the rungs let them, then the winner is compared: from the plan and the rows alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.results.tuning import COMPARED, TUNED
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.run.adaptive.tuned_cells import TunedCells
from orchestrator.run.adaptive.wanted_cells import left_at_most
from orchestrator.run.backlog import Backlog
from orchestrator.run.ledger import Ledger
from orchestrator.run.stored_rows import TrialRow
from tests.orchestrator.ledger_rows import row
from tests.orchestrator.tuned_plans import TPE_SWEEP, TUNED_SWEEP, final_accuracies, rung_score, tuned_plan, tuning_of

pytestmark = pytest.mark.study

LOST = -1.0
"""Stands for the accuracy of a trial that fails."""


@pytest.fixture(scope="module", params=[TUNED_SWEEP, TPE_SWEEP], ids=["random", "tpe"])
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SweepPlan:
    return tuned_plan(tmp_path_factory.mktemp("plan"), request.param)


def row_of(cell: Cell, accuracy: float, until: int, attempt: int) -> TrialRow:
    """The row of an attempt at a cell's trial that was to train to this epoch."""
    if accuracy == LOST:
        return row(cell, "failed", kind="error", attempt=attempt)
    if cell.stage == COMPARED:
        return row(cell, "done", accuracy=accuracy, attempt=attempt)
    scores = [rung_score(cell.trial_id, accuracy, epoch) for epoch in cell.rungs if epoch <= until]
    return row(cell, "stopped" if until < cell.rungs[-1] else "done", attempt=attempt, scores=scores)


def run_to_its_end(plan: SweepPlan, found: Mapping[str, float], order: random.Random, slots: int) -> list[TrialRow]:
    """Take and end trials, `slots` at a time in a random order, until none is left; returns their rows."""
    ledger, rows, running = Ledger(), list[TrialRow](), list[Cell]()
    backlog = Backlog(plan.cells, ledger, plan.looks, plan.tuning)
    total = backlog.progress().total
    while True:
        while len(running) < slots and (cell := backlog.next(whole_device=False)):
            running.append(cell)
        if not running:
            return rows
        cell = running.pop(order.randrange(len(running)))
        until = backlog.wanted.until(cell.trial_id)
        assert until is not None
        rows.append(row_of(cell, found[cell.trial_id], until, backlog.attempt(cell.trial_id)))
        ledger.add(rows[-1])
        backlog.ended(cell.trial_id)
        progress = backlog.progress()
        assert progress.total == total
        # A driver that starts anew from the rows knows as much as this one.
        fresh = Backlog(plan.cells, Ledger(rows), plan.looks, plan.tuning)
        assert set(fresh.wanted.eliminated()) == set(backlog.wanted.eliminated())
        assert [fresh.wanted.until(each.trial_id) for each in plan.cells] == [
            backlog.wanted.until(each.trial_id) for each in plan.cells
        ]
        assert running or fresh.progress() == progress


def outcome(rows: list[TrialRow]) -> tuple[dict[str, tuple[str, int | None]], Counter[str]]:
    """How each trial ended, and how many rows have each status."""
    last = {each["trial_id"]: (each["status"], each["epochs_trained"]) for each in rows}
    return dict(sorted(last.items())), Counter(each["status"] for each in rows)


@given(seed=st.integers(0, 1000), slots=st.integers(1, 9))
@settings(max_examples=6, deadline=None)
def test_rows_do_not_depend_on_the_order_of_arrival_or_the_number_of_slots(
    plan: SweepPlan, seed: int, slots: int
) -> None:
    found = final_accuracies(plan, seed)
    assert outcome(run_to_its_end(plan, found, random.Random(seed), slots)) == outcome(
        run_to_its_end(plan, found, random.Random(seed + 1), 1)
    )


def test_every_group_trains_as_many_candidates_for_as_many_epochs(plan: SweepPlan) -> None:
    rows = run_to_its_end(plan, final_accuracies(plan), random.Random(0), 4)
    template = {cell.trial_id: cell.template for cell in plan.cells if cell.stage == TUNED}
    epochs = {each["trial_id"]: each["epochs_trained"] for each in rows if each["trial_id"] in template}
    of_templates = [Counter(epochs[each] for each in epochs if template[each] == name) for name in ("base", "a", "b")]
    assert of_templates == [Counter({1: 6, 3: 3})] * 3


def test_one_candidate_of_each_group_is_compared_with_fresh_seeds(plan: SweepPlan) -> None:
    ledger_rows = run_to_its_end(plan, final_accuracies(plan), random.Random(0), 4)
    done = {each["trial_id"] for each in ledger_rows if each["status"] == "done"}
    compared = [cell for cell in plan.cells if cell.stage == COMPARED and cell.trial_id in done]
    assert Counter(cell.template for cell in compared) == {"base": 2, "a": 2, "b": 2}
    assert all(len({cell.candidate for cell in compared if cell.template == name}) == 1 for name in ("base", "a", "b"))
    tuned = {cell.spec.seed for cell in plan.cells if cell.stage == TUNED}
    assert not tuned & {cell.spec.seed for cell in compared}


def test_the_winner_is_the_best_at_the_last_rung_of_those_that_were_the_best_at_the_first(plan: SweepPlan) -> None:
    found = final_accuracies(plan, 3)
    rows = run_to_its_end(plan, found, random.Random(0), 4)
    cells, trained = TunedCells(plan.cells, tuning_of(plan), Ledger(rows)), {each["trial_id"] for each in rows}
    for template in ("base", "a", "b"):
        tuned = [cell for cell in plan.cells if cell.stage == TUNED and cell.template == template]
        candidates = [cell for cell in tuned if cell.trial_id in trained]

        def score(cell: Cell, epoch: int) -> float:
            return rung_score(cell.trial_id, found[cell.trial_id], epoch).accuracy

        second = sorted(candidates, key=lambda cell: -score(cell, 1))[:3]
        best = max(second, key=lambda cell: score(cell, 3))
        standing = {cell.candidate for cell in plan.cells if cell.template == template and cells.represents_point(cell)}
        assert standing == {best.candidate}


def test_a_group_whose_candidates_all_fail_is_not_compared_and_the_others_are(plan: SweepPlan) -> None:
    found = final_accuracies(plan)
    lost = {cell.trial_id: LOST for cell in plan.cells if cell.template == "a" and cell.stage == TUNED}
    rows = run_to_its_end(plan, found | lost, random.Random(0), 4)
    done = {each["trial_id"] for each in rows if each["status"] == "done"}
    templates = Counter(cell.template for cell in plan.cells if cell.trial_id in done)
    assert templates == {"base": 2, "b": 2}


def test_a_candidate_whose_seeds_all_fail_holds_its_rung_up_for_nobody(tmp_path: Path) -> None:
    """Were its fourth seed held back after three failures, the rung would wait for it for ever."""
    plan = tuned_plan(tmp_path, TUNED_SWEEP + "  seeds: 4\n")
    bad = tuning_of(plan).candidates[0]
    lost = {cell.trial_id: LOST for cell in plan.cells if cell.stage == TUNED and cell.candidate == bad}
    rows = run_to_its_end(plan, final_accuracies(plan) | lost, random.Random(0), 4)
    assert sum(each["status"] == "done" for each in rows) == 6


def test_a_candidate_that_fails_after_its_first_rung_is_tried_again_and_then_loses(plan: SweepPlan) -> None:
    ledger = Ledger()
    backlog = Backlog(plan.cells, ledger, None, plan.tuning)
    found = final_accuracies(plan)
    group = [cell for cell in plan.cells if cell.stage == TUNED and cell.template == "base"]
    for cell in group:
        ledger.add(row_of(cell, found[cell.trial_id], 1, 1))
        backlog.ended(cell.trial_id)
    going = [cell for cell in group if backlog.wanted.wants(cell.trial_id)]
    assert len(going) == 3
    lost = going[0]
    for attempt in (2, 3):
        assert backlog.wanted.wants(lost.trial_id)
        ledger.add(row_of(lost, LOST, 3, attempt))
        backlog.ended(lost.trial_id)
    for cell in going[1:]:
        ledger.add(row_of(cell, found[cell.trial_id], 3, 2))
        backlog.ended(cell.trial_id)
    standing = {cell.candidate for cell in backlog.wanted.compared() if cell.template == "base"}
    assert standing <= {cell.candidate for cell in going[1:]}
    assert lost.trial_id not in set(backlog.wanted.eliminated()), "a retry would go on from its checkpoint"


def test_checkpoints_of_losers_are_given_up_as_soon_as_they_have_lost(plan: SweepPlan) -> None:
    ledger = Ledger()
    backlog = Backlog(plan.cells, ledger, None, plan.tuning)
    found = final_accuracies(plan)
    left = [cell for cell in plan.cells if cell.stage == TUNED and cell.template == "base"]
    ended: list[str] = []
    while cell := next((each for each in left if backlog.wanted.wants(each.trial_id)), None):
        assert not any(list(backlog.wanted.eliminated(each)) for each in ended)
        left.remove(cell)
        ledger.add(row_of(cell, found[cell.trial_id], 1, 1))
        backlog.ended(cell.trial_id)
        ended.append(cell.trial_id)
    out = set(backlog.wanted.eliminated(ended[-1]))
    assert out == {each for each in ended if not backlog.wanted.wants(each)}
    assert len(out) == 6


def test_tuning_on_base_alone_chooses_for_all_templates(tmp_path: Path) -> None:
    plan = tuned_plan(tmp_path, TUNED_SWEEP + "  per: [model, dataset]\n")
    rows = run_to_its_end(plan, final_accuracies(plan), random.Random(0), 4)
    assert {cell.template for cell in plan.cells if cell.stage == TUNED} == {"base"}
    done = {each["trial_id"] for each in rows if each["status"] == "done"}
    compared = [cell for cell in plan.cells if cell.stage == COMPARED and cell.trial_id in done]
    assert len(compared) == 6
    assert len({cell.candidate for cell in compared}) == 1


def test_what_is_expected_is_what_happens(plan: SweepPlan) -> None:
    """The estimate counts each training with the epochs that it will have, and later with those that it still has."""
    rows = run_to_its_end(plan, final_accuracies(plan), random.Random(0), 4)
    whole = {cell.trial_id: cell.spec.recipe.epochs for cell in plan.cells}
    in_all = sum({each["trial_id"]: each["epochs_trained"] or whole[each["trial_id"]] for each in rows}.values())
    for count in range(len(rows) + 1):
        some = {each["trial_id"]: each["epochs_trained"] or whole[each["trial_id"]] for each in rows[:count]}
        left = left_at_most(plan, Ledger(rows[:count]))
        assert sum(cell.spec.recipe.epochs for cell in left) == in_all - sum(some.values())
