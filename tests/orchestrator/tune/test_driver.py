"""What the driver makes of the events of a round: rows, retries, verdicts on dead processes, and the end of the run."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.machine.drain import raise_drain_flag, read_drain_flag
from fdt_core.errors import EnvironmentProblem
from fdt_core.results.reader import read_table
from orchestrator.run.open_run import OpenRun
from orchestrator.run.retry_policy import DEATHS_WITHOUT_PROGRESS
from orchestrator.trial.outcome import BUSY_SECONDS, Outcome
from orchestrator.tune.driver import Driver
from orchestrator.tune.process_deaths import FAILED_STARTS, FAILED_STARTS_SECONDS
from tests.orchestrator.tune.drivers import FakeProcess, Surroundings, report


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


@pytest.fixture
def work(around: Surroundings) -> OpenRun:
    return around.open_run()


@pytest.fixture
def driver(around: Surroundings, work: OpenRun) -> Driver:
    return around.driver(work)


@pytest.fixture
def process(driver: Driver) -> FakeProcess:
    """A process that works on the first trial."""
    return FakeProcess(driver).start()


def failures(work: OpenRun) -> list[tuple[str | None, str | None]]:
    """Kind and error of the rows so far."""
    rows = read_table(work.run.results, "trials").rows.to_pylist()
    return [(row["failure_kind"], row["error"]) for row in rows]


def test_orders_come_in_the_order_of_the_plan_until_none_waits(process: FakeProcess, work: OpenRun) -> None:
    assert process.end(Outcome.DONE)
    assert not process.end(Outcome.DONE), "nothing is left to do"
    assert [order.trial_id for order in process.orders] == [cell.trial_id for cell in work.plan.cells]
    first = process.orders[0]
    assert first.settings.run_directory == str(work.run.path)
    assert (first.attempt, first.gpu_share) == (1, 0.5)


def test_as_many_processes_are_asked_for_as_there_are_trials(driver: Driver) -> None:
    assert [driver.ask_for_process(name) for name in ("p0", "p1", "p2")] == [True, True, False]
    first, second = (FakeProcess(driver, name).restart() for name in ("p0", "p1"))
    assert first.order != second.order
    assert not driver.may_stop()
    assert not first.end(Outcome.DONE)
    assert not driver.may_stop()
    assert not second.end(Outcome.DONE)
    assert driver.may_stop()


def test_a_finished_trial_gets_a_row_and_is_not_run_again(process: FakeProcess, work: OpenRun) -> None:
    process.end(Outcome.DONE)
    assert failures(work) == [(None, None)]
    assert work.backlog.progress().done == 1
    assert work.backlog.progress().left == 1


def test_the_devices_of_nodes_are_known_from_what_trained_there(driver: Driver, process: FakeProcess) -> None:
    assert driver.device_names == {}
    place = replace(process.place, device_name="H100")
    process.report(report(process.order, Outcome.DONE, place=place))
    assert driver.device_names == {"n": "H100"}


def test_a_trial_that_ran_out_of_memory_is_tried_again_with_a_whole_device(around: Surroundings) -> None:
    work = around.open_run(trials=1)
    driver = around.driver(work)
    process = FakeProcess(driver).start()
    assert not process.end(Outcome.OOM, "out of memory")
    assert failures(work) == [("oom", "out of memory")]
    assert driver.may_stop(), "this round has nothing more to do"
    driver.begin_round(whole_device=True)
    again = FakeProcess(driver, "p1").start().order
    assert (again.trial_id, again.attempt, again.gpu_share) == (process.order.trial_id, 2, None)


def test_the_exit_of_a_drained_process_is_not_a_death(
    around: Surroundings, process: FakeProcess, work: OpenRun
) -> None:
    for _ in range(DEATHS_WITHOUT_PROGRESS + 1):
        assert process.end(Outcome.DRAINED, leaves=True), "its next step is its exit"
        process.die()
        process.restart()
    assert len({order.trial_id for order in process.orders}) == 1, "it comes before any new trial"
    assert failures(work) == []
    assert not [line for line in around.lines if "died" in line]


def test_a_process_that_has_had_its_trials_is_replaced_and_nothing_is_lost_or_counted(around: Surroundings) -> None:
    work = around.open_run(trials=30)
    process = FakeProcess(around.driver(work)).start()
    plan = [cell.trial_id for cell in work.plan.cells]
    process.report(report(process.order, Outcome.DONE), seconds=0.4)
    given = process.orders[1:]
    assert [order.trial_id for order in given] == plan[1:6]
    assert process.report(*(report(order, Outcome.DONE) for order in given[:2]), leaves=True), (
        "its next step is its exit"
    )
    process.die()
    process.restart()
    assert process.order.trial_id == plan[3], "what it had not begun comes first"
    work.recorder.tick(now=True)
    assert failures(work) == [(None, None)] * 3
    assert not [line for line in around.lines if "died" in line]


def test_the_third_death_without_progress_is_a_crash(process: FakeProcess, work: OpenRun) -> None:
    first = process.order
    for deaths in range(1, DEATHS_WITHOUT_PROGRESS + 1):
        assert process.order == first
        assert failures(work) == []
        process.die()
        if deaths < DEATHS_WITHOUT_PROGRESS:
            process.restart()
    assert failures(work) == [("crash", "the process died 3 times without a new checkpoint in between")]


def test_deaths_on_a_departing_node_never_count(driver: Driver, work: OpenRun) -> None:
    process = FakeProcess(driver, node="departing").start()
    for _ in range(2 * DEATHS_WITHOUT_PROGRESS):
        process.die()
        process.restart()
    assert failures(work) == []


def test_processes_that_never_start_end_the_run_with_the_reason(around: Surroundings, driver: Driver) -> None:
    (around.directory / "run" / "logs").mkdir(exist_ok=True)
    assert driver.ask_for_process("p0")
    for _ in range(FAILED_STARTS):
        around.now += FAILED_STARTS_SECONDS
        assert not driver.may_stop()
        driver.on_death("p0", None)
    assert driver.may_stop()
    with pytest.raises(EnvironmentProblem, match="the processes of trials cannot start"):
        driver.run()


def test_a_device_that_stays_in_use_fails_a_trial_whichever_trials_try_it(
    around: Surroundings, driver: Driver, work: OpenRun
) -> None:
    on_busy_device, elsewhere = FakeProcess(driver, "p0").start(), FakeProcess(driver, "p1", host="there").start()
    for _ in range(29):
        around.now += BUSY_SECONDS
        on_busy_device.end(Outcome.BUSY, leaves=True)
        elsewhere.end(Outcome.DRAINED, leaves=True)  # so that the other trial comes next here
        for process in (on_busy_device, elsewhere):
            process.die()
            process.restart()
    assert len({order.trial_id for order in on_busy_device.orders}) == 2
    assert failures(work) == []
    around.now += BUSY_SECONDS
    on_busy_device.end(Outcome.BUSY, leaves=True)
    assert failures(work) == [("device", "the device was in use by another process for 300 s")]
    assert len([line for line in around.lines if "another process uses its device" in line]) == 1


def test_a_process_that_its_time_limit_ended_is_an_error(around: Surroundings) -> None:
    work = around.open_run(time_limit=20.0)
    process = FakeProcess(around.driver(work)).start()
    trial_directory = work.run.checkpoints / process.order.trial_id
    trial_directory.mkdir(parents=True)
    (trial_directory / "time-limit.txt").write_text("Timeout!\n")
    process.die()
    assert failures(work) == [("error", "Timeout!\ntime limit of 20 s exceeded")]


def test_a_failed_device_is_reported_to_whoever_examines_it(process: FakeProcess, around: Surroundings) -> None:
    process.end(Outcome.DEVICE, "uncorrectable ECC error", leaves=True)
    assert around.failed_devices == ["here"]


def test_a_stop_drains_what_runs_and_starts_nothing_more(
    process: FakeProcess, driver: Driver, around: Surroundings
) -> None:
    around.stop_request = "interrupted"
    driver.on_tick()
    assert (driver.stop_reason, driver.interrupted) == ("interrupted", True)
    assert read_drain_flag(around.directory / "drain") is not None
    assert not driver.ask_for_process("p1")
    assert not driver.may_stop(), "a trial still saves its state"
    process.end(Outcome.DRAINED, leaves=True)
    assert driver.may_stop()


def test_an_earlier_deadline_of_the_drain_stands(driver: Driver, around: Surroundings) -> None:
    deadline = float(int(time.time())) + 5
    raise_drain_flag(around.directory / "drain", deadline)
    driver.stop("told to")
    assert read_drain_flag(around.directory / "drain") == deadline


def test_the_limit_of_failures_is_an_end_of_the_sweep_and_no_interruption(around: Surroundings) -> None:
    work = around.open_run(max_failures=1)
    driver = around.driver(work)
    FakeProcess(driver).start().end(Outcome.CRASH, "died")
    assert driver.stop_reason == "1 failed trials (the limit is 1)"
    assert not driver.interrupted


def test_the_loss_of_its_own_node_stops_the_driver_at_once(
    process: FakeProcess, driver: Driver, around: Surroundings
) -> None:
    assert process.orders
    around.own_node_is_lost = True
    driver.on_tick()
    assert driver.stop_reason == "the Ray node of the driver has died"
    assert driver.may_stop(), "no process is left to wait for"


def test_a_problem_of_the_environment_ends_the_run_without_a_row(
    process: FakeProcess, driver: Driver, work: OpenRun
) -> None:
    process.end(Outcome.ENVIRONMENT, "No space left on device")
    assert failures(work) == []
    assert work.backlog.progress().left == 2
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        driver.run()
