"""Which waiting trial gets the next warm actor."""

from types import SimpleNamespace
from typing import Any

from orchestrator.tune.scheduler import PlanOrderScheduler


def trial(name: str) -> Any:
    return SimpleNamespace(trial_id=name, status="PENDING")


def test_an_interrupted_trial_goes_on_before_later_ones_begin() -> None:
    order, controller = PlanOrderScheduler(), Any
    trials = [trial(name) for name in "abcd"]
    for each in trials:
        order.on_trial_add(controller, each)
    a, b, c, _ = trials
    assert order.choose_trial_to_run(controller) is a
    a.status = b.status = "RUNNING"
    assert order.choose_trial_to_run(controller) is c
    b.status = "PENDING"  # its process died
    order.on_trial_add(controller, b)
    assert order.choose_trial_to_run(controller) is b


def test_nothing_is_chosen_where_nothing_waits() -> None:
    order, controller = PlanOrderScheduler(), Any
    assert order.choose_trial_to_run(controller) is None
    only = trial("a")
    order.on_trial_add(controller, only)
    only.status = "TERMINATED"
    order.on_trial_complete(controller, only, {})
    assert order.choose_trial_to_run(controller) is None
