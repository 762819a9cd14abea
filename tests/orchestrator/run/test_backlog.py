"""The backlog: the plan's order, the failure table, the circuit breaker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.backlog import Backlog
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.retry_policy import BREAKER_TRIALS
from tests.orchestrator.ledger_rows import row

SWEEPS = Path(__file__).parents[3] / "sweeps"


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    return plan_sweep(SWEEPS / "demo.yaml", ["seeds=4"])


def end(backlog: Backlog, ledger: Ledger, cell: Cell, status: str, kind: str | None = None) -> TrialState:
    ledger.add(row(cell, status, kind=kind, attempt=backlog.attempt(cell.trial_id)))
    return backlog.ended(cell.trial_id)


def drain(backlog: Backlog, ledger: Ledger, outcome: Sequence[str] = ("done",)) -> list[Cell]:
    """Take and finish trials until none is left."""
    taken = []
    while cell := backlog.next(whole_device=False):
        end(backlog, ledger, cell, "done")
        taken.append(cell)
    return taken


def test_trials_come_in_the_plans_order(plan: SweepPlan) -> None:
    ledger = Ledger()
    assert drain(Backlog(plan.cells, ledger), ledger) == list(plan.cells)


def test_what_the_ledger_has_is_not_run_again(plan: SweepPlan) -> None:
    ledger = Ledger([row(plan.cells[0], "done"), row(plan.cells[2], "diverged")])
    backlog = Backlog(plan.cells, ledger)
    assert backlog.progress().left == len(plan.cells) - 2
    assert drain(backlog, ledger) == [plan.cells[1], *plan.cells[3:]]
    assert backlog.progress().diverged == 1


@pytest.mark.parametrize(("kind", "attempts"), [("error", 2), ("oom", 2), ("crash", 1), ("device", 3)])
def test_each_kind_of_failure_has_its_own_number_of_attempts(plan: SweepPlan, kind: str, attempts: int) -> None:
    ledger = Ledger()
    backlog = Backlog(plan.cells[:1], ledger)
    states = []
    for _ in range(attempts):
        cell = backlog.next(whole_device=False) or backlog.next(whole_device=True)
        assert cell is not None
        states.append(end(backlog, ledger, cell, "failed", kind))
    assert states == ["waiting"] * (attempts - 1) + ["failed"]
    assert Backlog(plan.cells[:1], ledger).progress().failed == 1, "a relaunch does not forget"


def test_an_attempt_after_oom_needs_a_device_to_itself(plan: SweepPlan) -> None:
    ledger = Ledger()
    backlog = Backlog(plan.cells[:1], ledger)
    first = backlog.next(whole_device=False)
    assert first is not None
    end(backlog, ledger, first, "failed", "oom")
    assert backlog.peek(whole_device=False) is None
    assert backlog.next(whole_device=True) == first
    assert backlog.attempt(first.trial_id) == 2


def test_a_retry_forgives_what_was_before(plan: SweepPlan) -> None:
    ledger = Ledger([row(plan.cells[0], "failed", kind="error", attempt=n) for n in (1, 2)])
    assert Backlog(plan.cells[:1], ledger).progress().failed == 1
    ledger = Ledger(
        [row(plan.cells[0], "failed", kind="error", attempt=n) for n in (1, 2)], {plan.cells[0].trial_id: 2}
    )
    backlog = Backlog(plan.cells[:1], ledger)
    assert backlog.next(whole_device=False) == plan.cells[0]
    assert backlog.attempt(plan.cells[0].trial_id) == 3
    assert end(backlog, ledger, plan.cells[0], "failed", "error") == "waiting"


def test_the_breaker_holds_back_a_pair_that_fails_for_every_seed(plan: SweepPlan) -> None:
    pair = [cell for cell in plan.cells if (cell.spec.model, cell.template) == ("vgg19", "a")]
    ledger = Ledger(row(cell, "failed", kind="crash") for cell in pair[:BREAKER_TRIALS])
    backlog = Backlog(plan.cells, ledger)
    assert backlog.progress().held_back == len(pair) - BREAKER_TRIALS
    assert not set(drain(backlog, ledger)) & set(pair)


def test_the_breaker_holds_back_only_the_variant_that_fails() -> None:
    vary = "vary={learning_rate: [0.1, 0.2]}"
    cells = plan_sweep(SWEEPS / "demo.yaml", ["seeds=4", "models=[vgg19]", "templates=[base]", vary]).cells
    variant = cells[0].variant
    failing = [cell for cell in cells if cell.variant == variant]
    backlog = Backlog(cells, Ledger(row(cell, "failed", kind="crash") for cell in failing[:BREAKER_TRIALS]))
    assert backlog.progress().held_back == len(failing) - BREAKER_TRIALS
    assert {cell.variant for cell in iter(lambda: backlog.next(whole_device=False), None)} == {
        cell.variant for cell in cells
    } - {variant}


def test_the_breaker_spares_a_pair_of_which_one_seed_finished(plan: SweepPlan) -> None:
    pair = [cell for cell in plan.cells if (cell.spec.model, cell.template) == ("vgg19", "a")]
    rows = [row(cell, "failed", kind="crash") for cell in pair[:BREAKER_TRIALS]] + [row(pair[-1], "done")]
    assert Backlog(plan.cells, Ledger(rows)).progress().held_back == 0


def test_a_trial_whose_run_was_stopped_waits_again(plan: SweepPlan) -> None:
    backlog = Backlog(plan.cells[:2], Ledger())
    cell = backlog.next(whole_device=False)
    assert cell is not None
    assert backlog.running() == (cell.trial_id,)
    backlog.returned(cell.trial_id)
    assert backlog.running() == ()
    assert backlog.progress().left == 2


def test_a_trial_that_comes_back_is_the_next(plan: SweepPlan) -> None:
    backlog = Backlog(plan.cells, Ledger())
    first, second = (backlog.next(whole_device=False) for _ in range(2))
    assert first is not None
    assert second is not None
    backlog.returned(second.trial_id)
    backlog.returned(first.trial_id)
    assert [backlog.next(whole_device=False) for _ in range(3)] == [first, second, plan.cells[2]]


def test_what_was_held_back_comes_first_once_one_of_its_kind_has_finished(plan: SweepPlan) -> None:
    ledger = Ledger()
    backlog = Backlog(plan.cells, ledger)
    kind = plan.cells[0].kind
    of_kind = [cell for cell in plan.cells if cell.kind == kind]
    taken = [cell for cell in iter(lambda: backlog.next(whole_device=False), None) if cell in of_kind]
    assert len(taken) == BREAKER_TRIALS + 1
    for cell in set(plan.cells) - set(of_kind):
        backlog.returned(cell.trial_id)
    for cell in taken[:BREAKER_TRIALS]:
        end(backlog, ledger, cell, "failed", "crash")
    backlog.returned(taken[-1].trial_id)
    assert backlog.progress().held_back == 1
    assert backlog.ready(whole_device=False) == len(plan.cells) - len(of_kind)
    ledger.add(row(taken[-1], "done"))
    backlog.ended(taken[-1].trial_id)
    assert backlog.progress().held_back == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["done", "diverged", "crash", "oom", "device", "error"]), max_size=60))
@pytest.mark.oracle
def test_counts_always_add_up(events: list[str]) -> None:
    cells = plan_sweep(SWEEPS / "demo.yaml").cells
    ledger = Ledger()
    backlog = Backlog(cells, ledger)
    for event in events:
        cell = backlog.next(whole_device=False) or backlog.next(whole_device=True)
        if cell is None:
            break
        if event in ("done", "diverged"):
            end(backlog, ledger, cell, event)
        else:
            end(backlog, ledger, cell, "failed", event)
        now, fresh = backlog.progress(), Backlog(cells, ledger).progress()
        assert now == fresh, "a relaunch sees the same"
        assert now.done + now.diverged + now.failed + now.held_back + now.left == now.total
