"""What each process is given: the next trial, short ones ahead of time, and never more than its share."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrator.trial.outcome import Outcome
from orchestrator.tune.driver import Driver
from orchestrator.tune.trial_settings import trial_settings
from tests.orchestrator.tune.drivers import FakeProcess, Surroundings, report


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def new_orders(process: FakeProcess, before: int) -> list[str]:
    return [order.trial_id for order in process.orders[before:]]


def end_all(process: FakeProcess, begun: int = 0, *, seconds: float) -> list[str]:
    """All that the process was given since it had `begun` orders has ended; returns what it is given next."""
    ended = [report(order, Outcome.DONE) for order in process.orders[begun:]]
    process.report(*ended, seconds=seconds)
    return new_orders(process, begun + len(ended))


def test_short_trials_are_given_ahead_for_two_seconds(around: Surroundings) -> None:
    work = around.open_run(trials=100)
    process = FakeProcess(around.driver(work)).start()
    assert len(process.orders) == 1, "nobody knows yet how long they take"
    plan = [cell.trial_id for cell in work.plan.cells]
    assert end_all(process, seconds=0.1) == plan[1:21]
    assert end_all(process, 1, seconds=0.5) == plan[21:25]
    assert end_all(process, 21, seconds=5.0) == plan[25:26]


def test_at_the_end_processes_share_what_is_left(around: Surroundings) -> None:
    driver = around.driver(around.open_run(trials=12))
    assert all(driver.ask_for_process(name) for name in ("p0", "p1"))
    processes = [FakeProcess(driver, name).restart() for name in ("p0", "p1")]
    assert [len(end_all(process, seconds=0.001)) for process in processes] == [2, 2], "a quarter of what waits"


def test_a_trial_of_unknown_length_is_followed_by_none(around: Surroundings) -> None:
    work = around.open_run(models="[vgg11, vgg16]", trials=10)
    process = FakeProcess(around.driver(work)).start()
    models = [cell.spec.model for cell in work.plan.cells]
    assert models[:3] == ["vgg16", "vgg11", "vgg16"]
    assert len(end_all(process, seconds=0.001)) == 1, "so far, no vgg11 has ended"
    assert len(end_all(process, 1, seconds=0.001)) > 4


def test_what_was_not_begun_is_given_again_in_order(around: Surroundings) -> None:
    work = around.open_run(trials=30)
    process = FakeProcess(around.driver(work)).start()
    plan = [cell.trial_id for cell in work.plan.cells]
    given = end_all(process, seconds=0.4)
    assert given == plan[1:6]
    process.report(report(process.orders[1], Outcome.DONE), report(process.orders[2]), seconds=0.4)
    assert new_orders(process, 6) == [], "it still works on the third"
    assert work.backlog.running() == (plan[2],)
    process.report(report(process.orders[2], Outcome.DONE), seconds=2.0)
    assert new_orders(process, 6) == [plan[3]]


def test_a_failure_brings_back_what_was_to_follow_it(around: Surroundings) -> None:
    work = around.open_run(trials=30)
    process = FakeProcess(around.driver(work)).start()
    end_all(process, seconds=0.4)
    process.report(report(process.orders[1], Outcome.ERROR, "no luck"), seconds=0.1)
    assert new_orders(process, 6)[0] == work.plan.cells[2].trial_id
    assert work.backlog.progress().left == 29


def start_with_several(driver: Driver) -> FakeProcess:
    """A process that was given five more after its first trial."""
    process = FakeProcess(driver).start()
    assert len(end_all(process, seconds=0.4)) == 5
    return process


def test_the_death_of_a_process_with_several_trials_counts_against_none_and_they_run_one_by_one(
    around: Surroundings,
) -> None:
    work = around.open_run(trials=30)
    process = start_with_several(around.driver(work))
    plan = [cell.trial_id for cell in work.plan.cells]
    process.die()
    process.restart()
    for number in range(6, 11):
        assert new_orders(process, number) == [plan[number - 5]]
        process.report(report(process.order, Outcome.DONE), seconds=0.1)
    assert len(new_orders(process, 11)) > 1, "the others are given ahead as before"
    assert "(death 1" not in str(around.lines)


def test_a_trial_that_kills_its_process_is_found_among_several(around: Surroundings) -> None:
    work = around.open_run(trials=30)
    process = start_with_several(around.driver(work))
    bad = process.orders[3].trial_id
    process.die()
    process.restart()
    deaths = 1
    while work.backlog.progress().failed == 0:
        if process.order.trial_id == bad:
            process.die()
            process.restart()
            deaths += 1
        else:
            process.end(Outcome.DONE)
    assert deaths == 4
    assert work.backlog.progress().done == 3


def test_a_process_beyond_the_slots_is_asked_for_only_in_case_that_more_room_comes(around: Surroundings) -> None:
    driver = around.driver(around.open_run(trials=50))
    assert around.compute().slots.slots == 2
    asked = [driver.ask_for_process(f"p{number}") for number in range(4)]
    assert asked == [True, True, False, False]
    FakeProcess(driver, "p0").restart()
    assert driver.ask_for_process("p4"), "one of two runs, and one waits: there may be more room than was expected"
    assert not driver.ask_for_process("p5")


def test_one_that_leaves_counts_as_one_that_comes(around: Surroundings) -> None:
    driver = around.driver(around.open_run(trials=1))
    process = FakeProcess(driver).start()
    process.end(Outcome.DRAINED, leaves=True)
    assert not driver.ask_for_process("p1"), "Tune starts the one that leaves again"
    process.die()
    assert not driver.ask_for_process("p1")
    process.restart()
    assert len(process.orders) == 2


def test_in_place_of_a_process_that_tune_has_given_up_another_is_asked_for(around: Surroundings) -> None:
    work = around.open_run(trials=1)
    driver = around.driver(work)
    process = FakeProcess(driver).start()
    process.die()
    driver.on_gone("p0")
    assert not driver.may_stop(), "its trial waits"
    other = FakeProcess(driver, "p1").start()
    assert other.order.trial_id == process.order.trial_id
    other.end(Outcome.DONE)
    assert driver.may_stop()
    assert work.backlog.progress().done == 1


def test_a_drained_trial_comes_before_what_was_to_follow_it(around: Surroundings) -> None:
    work = around.open_run(trials=30)
    process = start_with_several(around.driver(work))
    drained, following = process.orders[1].trial_id, process.orders[2].trial_id
    process.report(report(process.orders[1], Outcome.DRAINED), leaves=True)
    assert work.backlog.running() == ()
    process.die()
    process.restart()
    assert new_orders(process, 6) == [drained]
    process.report(report(process.order, Outcome.DONE), seconds=0.4)
    assert new_orders(process, 7)[0] == following


@pytest.mark.parametrize("outcome", [Outcome.DRAINED, Outcome.ERROR])
def test_only_trials_that_came_to_their_end_tell_how_long_one_takes(around: Surroundings, outcome: Outcome) -> None:
    process = FakeProcess(around.driver(around.open_run(trials=30))).start()
    process.report(report(process.order, outcome, "why"), seconds=0.001)
    assert len(new_orders(process, 1)) == 1


def test_a_resumed_trial_counts_with_all_of_its_training(around: Surroundings) -> None:
    process = FakeProcess(around.driver(around.open_run(trials=30))).start()
    process.report(report(process.order, Outcome.DONE, train_seconds=1800.0), seconds=0.001)
    assert len(new_orders(process, 1)) == 1


def test_a_new_process_begins_with_one_trial(around: Surroundings) -> None:
    driver = around.driver(around.open_run(trials=30))
    end_all(FakeProcess(driver).start(), seconds=0.001)
    assert len(FakeProcess(driver, "p1").start().orders) == 1


def test_trials_that_are_held_back_are_nobodys_share(around: Surroundings) -> None:
    work = around.open_run(models="[vgg11, vgg16]", trials=40)
    process = FakeProcess(around.driver(work)).start()
    while work.backlog.progress().held_back == 0:
        failing = "vgg16" in process.order.spec
        process.end(Outcome.CRASH if failing else Outcome.DONE, "why" if failing else None)
    assert work.backlog.progress().held_back == 37
    left = work.backlog.progress().left
    assert len(end_all(process, len(process.orders) - 1, seconds=0.001)) <= left // 2


def test_a_process_that_got_no_orders_is_replaced(around: Surroundings) -> None:
    work = around.open_run(trials=2)
    process = FakeProcess(around.driver(work)).start()
    assert not process.report()
    assert "did not get its orders" in around.lines[-1]
    other = FakeProcess(process.driver, "p1").start()
    assert other.order == process.order


@pytest.mark.parametrize(("slots", "share"), [(1, 1e9), (250, 4e6)])
def test_all_slots_share_the_bandwidth_of_checkpoints(around: Surroundings, slots: int, share: float) -> None:
    compute = around.compute()
    compute = dataclasses.replace(compute, slots=dataclasses.replace(compute.slots, slots=slots))
    work = around.open_run()
    assert trial_settings(work, compute).checkpoint_bytes_per_second == share
    slower = dataclasses.replace(work, plan=dataclasses.replace(work.plan, checkpoint_bandwidth=100.0))
    assert trial_settings(slower, compute).checkpoint_bytes_per_second == share / 10


@pytest.mark.parametrize(("slots", "first", "interval"), [(2, 1.0, 10.0), (500, 5.0, 10.0), (4000, 40.0, 40.0)])
def test_large_fleets_report_more_rarely(around: Surroundings, slots: int, first: float, interval: float) -> None:
    compute = around.compute()
    compute = dataclasses.replace(compute, slots=dataclasses.replace(compute.slots, slots=slots))
    settings = trial_settings(around.open_run(), compute)
    assert (settings.first_report, settings.report_interval) == (first, interval)
