"""Which waiting trial gets the next warm actor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from ray.tune.experiment import Trial

from orchestrator.tune.scheduler import PlanOrderScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

CONTROLLER = cast("TuneController", None)
"""The scheduler never asks it anything."""


def trial(name: str) -> Trial:
    return cast(Trial, SimpleNamespace(trial_id=name, status="PENDING"))


def set_status(of: Trial, status: str) -> None:
    of.__dict__["status"] = status


def test_an_interrupted_trial_continues_before_later_ones_start() -> None:
    order = PlanOrderScheduler()
    a, b, c, d = (trial(name) for name in "abcd")
    for each in (a, b, c, d):
        order.on_trial_add(CONTROLLER, each)
    assert order.choose_trial_to_run(CONTROLLER) is a
    set_status(a, "RUNNING")
    set_status(b, "RUNNING")
    assert order.choose_trial_to_run(CONTROLLER) is c
    set_status(b, "PENDING")  # its process died
    order.on_trial_add(CONTROLLER, b)
    assert order.choose_trial_to_run(CONTROLLER) is b


def test_nothing_is_chosen_if_nothing_waits() -> None:
    order = PlanOrderScheduler()
    assert order.choose_trial_to_run(CONTROLLER) is None
    only = trial("a")
    order.on_trial_add(CONTROLLER, only)
    set_status(only, "TERMINATED")
    order.on_trial_complete(CONTROLLER, only, {})
    assert order.choose_trial_to_run(CONTROLLER) is None
