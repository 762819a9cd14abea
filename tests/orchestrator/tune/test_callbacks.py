"""Which process is started next, and what becomes of its reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from ray.tune.experiment import Trial

from orchestrator.trial.report import ProcessLocation, ProcessReport
from orchestrator.tune.callbacks import ProcessScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController

CONTROLLER = cast("TuneController", None)
"""The scheduler never asks it anything."""

REPORT = ProcessReport(place=ProcessLocation(hostname="here", pid=1))


def trial(name: str) -> Trial:
    return cast(Trial, SimpleNamespace(trial_id=name, status="PENDING"))


def set_status(of: Trial, status: str) -> None:
    of.__dict__["status"] = status


def test_processes_start_in_the_order_in_which_they_began_to_wait() -> None:
    order = ProcessScheduler(lambda _name, _report: True)
    assert order.choose_trial_to_run(CONTROLLER) is None
    a, b = trial("a"), trial("b")
    for each in (a, b):
        order.on_trial_add(CONTROLLER, each)
    assert order.choose_trial_to_run(CONTROLLER) is a
    set_status(a, "RUNNING")
    assert order.choose_trial_to_run(CONTROLLER) is b
    set_status(a, "PENDING")  # it has died
    order.on_trial_add(CONTROLLER, a)
    assert order.choose_trial_to_run(CONTROLLER) is b
    set_status(b, "TERMINATED")
    assert order.choose_trial_to_run(CONTROLLER) is a


def test_the_driver_decides_whether_a_process_goes_on() -> None:
    seen = []

    def on_report(name: str, report: ProcessReport) -> bool:
        seen.append((name, report))
        return name == "a"

    order = ProcessScheduler(on_report)
    answers = [order.on_trial_result(CONTROLLER, trial(name), {"report": REPORT}) for name in ("a", "b")]
    assert answers == ["CONTINUE", "STOP"]
    assert seen == [("a", REPORT), ("b", REPORT)]
