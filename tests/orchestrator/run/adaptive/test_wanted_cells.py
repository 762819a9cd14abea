"""Which trials are wanted follows from the plan and the rows alone, and is kept up as trials end."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.results.looks import Looks
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.run.adaptive.likely_trainings import likely_trainings
from orchestrator.run.adaptive.wanted_cells import WantedCells, left_at_most, left_now
from orchestrator.run.backlog import Backlog
from orchestrator.run.ledger import Ledger
from orchestrator.run.stored_rows import TrialRow
from tests.orchestrator.adaptive_plans import accuracies, adaptive_plan
from tests.orchestrator.ledger_rows import row

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> SweepPlan:
    return adaptive_plan(tmp_path_factory.mktemp("plan"))


def looks_of(plan: SweepPlan) -> Looks:
    assert plan.looks is not None
    return plan.looks


def row_of(cell: Cell, accuracy: float | None, attempt: int = 1) -> TrialRow:
    """The row of a cell that ended with this accuracy, or failed."""
    if accuracy is None:
        return row(cell, "failed", kind="error", attempt=attempt)
    return row(cell, "done", accuracy=accuracy, attempt=attempt)


def run_to_its_end(plan: SweepPlan, found: dict[str, float], order: random.Random, slots: int) -> Ledger:
    """Take and end trials, `slots` at a time in a random order, until none is left."""
    ledger = Ledger()
    backlog = Backlog(plan.cells, ledger, plan.looks)
    running: list[Cell] = []
    while True:
        while len(running) < slots and (cell := backlog.next(whole_device=False)):
            running.append(cell)
        if not running:
            return ledger
        cell = running.pop(order.randrange(len(running)))
        ledger.add(row_of(cell, found.get(cell.trial_id), attempt=backlog.attempt(cell.trial_id)))
        backlog.ended(cell.trial_id)
        progress = backlog.progress()
        assert progress.left == len(left_now(plan, ledger))
        assert progress.left + progress.may_follow <= len(left_at_most(plan, ledger))


@given(seed=st.integers(0, 1000), slots=st.integers(1, 9))
@settings(max_examples=6, deadline=None)
def test_the_trials_that_run_and_the_decisions_depend_on_no_order(plan: SweepPlan, seed: int, slots: int) -> None:
    found = accuracies(plan, seed=seed % 3)
    first = run_to_its_end(plan, found, random.Random(seed), slots)
    second = run_to_its_end(plan, found, random.Random(seed + 1), 40)
    assert sorted(first.trial_ids()) == sorted(second.trial_ids())
    decisions = [list(WantedCells(plan.cells, plan.looks, ledger).decisions()) for ledger in (first, second)]
    assert repr(decisions[0]) == repr(decisions[1])
    assert len(first.trial_ids()) < len(plan.cells)


def test_at_first_the_first_seeds_of_every_cell_are_wanted(plan: SweepPlan) -> None:
    progress = Backlog(plan.cells, Ledger(), plan.looks).progress()
    assert (progress.left, progress.spared, progress.may_follow) == (3 * 10, 6 * 10, 2 * 10)
    assert len(left_at_most(plan, Ledger())) == len(plan.cells)


def test_a_spared_trial_runs_if_nothing_stops(plan: SweepPlan) -> None:
    ledger = run_to_its_end(plan.without_stops(), accuracies(plan), random.Random(0), 3)
    assert len(ledger.trial_ids()) == len(plan.cells)


def test_a_failed_trial_holds_a_look_up_until_it_is_given_up(plan: SweepPlan) -> None:
    found = accuracies(plan)
    first = [cell for cell in plan.cells if cell.spec.seed < 3]
    failing, others = first[0], first[1:]
    ledger = Ledger([row_of(cell, found[cell.trial_id]) for cell in others])
    wanted = WantedCells(plan.cells, plan.looks, ledger)
    assert {each.block for each in wanted.decisions()} == {cell.block for cell in others} - {failing.block}
    attempt = 1
    while not ledger.record(failing.trial_id).given_up:
        ledger.add(row_of(failing, None, attempt))
        attempt += 1
        wanted.ended(failing.trial_id)
    assert failing.block in {each.block for each in wanted.decisions()}


def test_trials_that_two_blocks_share_are_wanted_if_one_wants_them(plan: SweepPlan) -> None:
    shared = [cell for cell in plan.cells if cell.template in ("base", "c")]
    other = [Cell(**{**vars(cell), "variant": "again"}) for cell in shared]
    ledger = run_to_its_end(
        SweepPlan(**{**vars(plan), "cells": (*plan.cells, *other)}), accuracies(plan), random.Random(0), 4
    )
    wanted = WantedCells((*plan.cells, *other), plan.looks, ledger)
    assert {each.block[2] for each in wanted.decisions()} >= {"again"}


def test_the_likely_number_is_between_the_least_and_the_most_and_shrinks_to_nothing(plan: SweepPlan) -> None:
    ledger, looks = Ledger(), looks_of(plan)
    start = likely_trainings(WantedCells(plan.cells, looks, ledger), looks)
    assert not start.measured
    assert 30 < start.count < 90
    found = accuracies(plan)
    for cell in (cell for cell in plan.cells if cell.spec.seed < 3):
        ledger.add(row_of(cell, found[cell.trial_id]))
    later = likely_trainings(WantedCells(plan.cells, looks, ledger), looks)
    assert later.measured
    assert later.error == pytest.approx(0.4, rel=0.6)
    assert later.count < start.count
    ended = run_to_its_end(plan, found, random.Random(0), 4)
    assert likely_trainings(WantedCells(plan.cells, looks, ended), looks).count == 0


def test_blocks_without_base_get_the_first_seeds_only(tmp_path: Path) -> None:
    plan = adaptive_plan(tmp_path)
    cells = tuple(cell for cell in plan.cells if cell.template != "base" or "0.1" in cell.variant)
    ledger = run_to_its_end(SweepPlan(**{**vars(plan), "cells": cells}), accuracies(plan), random.Random(0), 4)
    lone = {cell.trial_id for cell in cells if "0.2" in cell.variant}
    assert len(lone & set(ledger.trial_ids())) == 3 * 4


def test_a_template_whose_trainings_all_fail_holds_no_other_one_up(plan: SweepPlan) -> None:
    failing = {cell.trial_id for cell in plan.cells if cell.template == "b"}
    found = {name: value for name, value in accuracies(plan).items() if name not in failing}
    ledger = run_to_its_end(plan, found, random.Random(0), 3)
    wanted = WantedCells(plan.cells, plan.looks, ledger)
    last = {(each.block, each.template): each.decision for each in wanted.decisions()}
    assert not wanted.may_want_more()
    assert {decision.look for (_, template), decision in last.items() if template == "c"} == {3}
    assert all(decision.pairs == 0 for (_, template), decision in last.items() if template == "b")
    assert len(failing & set(ledger.trial_ids())) <= 2 * 3, "more seeds would not help it"


def test_no_look_is_taken_at_more_seeds_than_are_planned(plan: SweepPlan) -> None:
    cells = tuple(cell for cell in plan.cells if cell.spec.seed < 5)
    ledger = run_to_its_end(SweepPlan(**{**vars(plan), "cells": cells}), accuracies(plan), random.Random(0), 4)
    decisions = [each.decision for each in WantedCells(cells, plan.looks, ledger).decisions()]
    assert {decision.look for decision in decisions} == {1, 2}
    two_seeds = tuple(cell for cell in plan.cells if cell.spec.seed < 2)
    short = run_to_its_end(SweepPlan(**{**vars(plan), "cells": two_seeds}), accuracies(plan), random.Random(0), 4)
    assert len(short.trial_ids()) == len(two_seeds)
    assert list(WantedCells(two_seeds, plan.looks, short).decisions()) == []


def test_no_look_waits_for_trials_that_are_held_back(plan: SweepPlan) -> None:
    """The breaker counts over blocks: one trial of the template is still to run in each when it is held back."""
    first = [cell for cell in plan.cells if cell.spec.seed < 3]
    block = first[0].block
    failed = [cell for cell in plan.cells if cell.template == "b" and cell.block != block][:3]
    others = [cell for cell in first if cell.template != "b"]
    found = accuracies(plan)
    kinds = {cell.kind for cell in failed}
    twin = tuple(Cell(**{**vars(cell), "variant": failed[0].variant}) for cell in plan.cells if cell.block == block)
    cells = (*(cell for cell in plan.cells if cell.block != block), *(_on(cell, "other") for cell in twin))
    ledger = Ledger([row_of(cell, found[cell.trial_id]) for cell in others])
    for attempt in (1, 2):
        for cell in failed:
            ledger.add(row_of(cell, None, attempt))
    assert len(kinds) == 1
    decided = {each.block[3] for each in WantedCells(cells, plan.looks, ledger).decisions()}
    assert "other" in decided


def _on(cell: Cell, dataset: str) -> Cell:
    """The cell on another data set, with the same trial."""
    return Cell(**{**vars(cell), "spec": replace(cell.spec, dataset=dataset)})


def test_the_likely_number_counts_blocks_without_base(plan: SweepPlan) -> None:
    cells = tuple(cell for cell in plan.cells if cell.template != "base")
    assert likely_trainings(WantedCells(cells, looks_of(plan), Ledger()), looks_of(plan)).count == 2 * 4 * 3


def test_at_most_every_trial_that_no_look_has_spared_is_left(plan: SweepPlan) -> None:
    found = accuracies(plan)
    ledger = run_to_its_end(plan, found, random.Random(0), 4)
    assert left_at_most(plan, ledger) == []
    assert len(left_at_most(plan, Ledger())) == len(plan.cells)
