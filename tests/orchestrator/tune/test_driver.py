"""What the driver makes of the events of a round: rows, retries, verdicts on dead processes, and the end of the run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.machine.drain import raise_drain_flag, read_drain_flag
from fdt_core.errors import EnvironmentProblem
from fdt_core.results.reader import read_table
from orchestrator.run.open_run import OpenRun
from orchestrator.run.retry_policy import BUSY_REPORTS, DEATHS_WITHOUT_PROGRESS
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import Outcome
from orchestrator.tune.driver import Driver
from orchestrator.tune.process_deaths import FAILED_STARTS, FAILED_STARTS_SECONDS
from tests.orchestrator.tune.drivers import Surroundings, report, tune_trial


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


@pytest.fixture
def work(around: Surroundings) -> OpenRun:
    return around.open_run()


@pytest.fixture
def driver(around: Surroundings, work: OpenRun) -> Driver:
    return around.driver(work)


def start(driver: Driver, *, whole_device: bool = False) -> TrialOrder:
    """The next trial, started in a process that has reported where it is."""
    order = driver.next_order(whole_device=whole_device)
    assert order is not None
    driver.on_start(order.trial_id)
    driver.on_report(report(order))
    return order


def failures(work: OpenRun) -> list[tuple[str | None, str | None]]:
    """Kind and error of the rows so far."""
    rows = read_table(work.run.results, "trials").rows.to_pylist()
    return [(row["failure_kind"], row["error"]) for row in rows]


def test_orders_come_in_the_order_of_the_plan_until_none_waits(driver: Driver, work: OpenRun) -> None:
    orders = [driver.next_order(whole_device=False) for _ in range(3)]
    assert [order and order.trial_id for order in orders] == [*(cell.trial_id for cell in work.plan.cells), None]
    assert orders[0] is not None
    assert orders[0].settings.run_directory == str(work.run.path)
    assert (orders[0].attempt, orders[0].gpu_share, orders[0].verdict) == (1, 0.5, None)


def test_an_order_comes_back_unchanged_from_the_config_of_tune(driver: Driver) -> None:
    order = driver.next_order(whole_device=False)
    assert order is not None
    assert TrialOrder.from_config(order.to_config()) == order


def test_a_finished_trial_gets_a_row_and_is_not_run_again(driver: Driver, work: OpenRun) -> None:
    driver.on_report(report(start(driver), Outcome.DONE))
    assert failures(work) == [(None, None)]
    assert work.backlog.progress().done == 1
    assert work.backlog.progress().left == 1


def test_a_trial_that_ran_out_of_memory_is_tried_again_with_a_whole_device(driver: Driver, work: OpenRun) -> None:
    first = start(driver)
    driver.on_report(report(first, Outcome.OOM, "out of memory"))
    assert failures(work) == [("oom", "out of memory")]
    again = start(driver, whole_device=True)
    assert (again.trial_id, again.attempt, again.gpu_share) == (first.trial_id, 2, None)


def test_the_exit_of_a_drained_process_is_not_a_death(around: Surroundings, driver: Driver, work: OpenRun) -> None:
    order = start(driver)
    for _ in range(DEATHS_WITHOUT_PROGRESS + 1):
        driver.on_report(report(order, Outcome.DRAINED))
        trial = tune_trial(order)
        driver.on_death(trial)
        assert trial.config["verdict"] is None
    assert failures(work) == []
    assert not [line for line in around.lines if "died" in line]


def test_the_third_death_without_progress_is_a_crash(driver: Driver) -> None:
    order = start(driver)
    verdicts = []
    for _ in range(DEATHS_WITHOUT_PROGRESS):
        driver.on_report(report(order))
        trial = tune_trial(order)
        driver.on_death(trial)
        verdicts.append(trial.config["verdict"])
    crash = (Outcome.CRASH, "the process died 3 times without a new checkpoint in between")
    assert verdicts == [None, None, crash]


def test_deaths_on_a_departing_node_never_count(driver: Driver) -> None:
    order = start(driver)
    for _ in range(2 * DEATHS_WITHOUT_PROGRESS):
        driver.on_report(report(order, node="departing"))
        trial = tune_trial(order)
        driver.on_death(trial)
        assert trial.config["verdict"] is None


def test_processes_that_never_start_end_the_run_with_the_reason(around: Surroundings, driver: Driver) -> None:
    (around.directory / "run" / "logs").mkdir(exist_ok=True)
    order = driver.next_order(whole_device=False)
    assert order is not None
    for _ in range(FAILED_STARTS):
        around.now += FAILED_STARTS_SECONDS
        assert not driver.may_stop()
        driver.on_start(order.trial_id)
        driver.on_death(tune_trial(order))
    assert driver.may_stop()
    with pytest.raises(EnvironmentProblem, match="the processes of trials cannot start"):
        driver.run()


def test_a_device_that_stays_in_use_fails_the_trial(driver: Driver, around: Surroundings) -> None:
    order = start(driver)
    for number in range(1, BUSY_REPORTS + 1):
        driver.on_report(report(order, Outcome.BUSY))
        trial = tune_trial(order)
        driver.on_death(trial)
        assert (trial.config["verdict"] is not None) == (number == BUSY_REPORTS)
    assert trial.config["verdict"] == (Outcome.DEVICE, "the device was in use by another process for 300 s")
    assert len([line for line in around.lines if "another process uses its device" in line]) == 1


def test_a_process_that_its_time_limit_ended_is_an_error(around: Surroundings) -> None:
    work = around.open_run(time_limit=20.0)
    driver = around.driver(work)
    order = start(driver)
    trial_directory = work.run.checkpoints / order.trial_id
    trial_directory.mkdir(parents=True)
    (trial_directory / "time-limit.txt").write_text("Timeout!\n")
    trial = tune_trial(order)
    driver.on_death(trial)
    assert trial.config["verdict"] == (Outcome.ERROR, "Timeout!\ntime limit of 20 s exceeded")


def test_a_failed_device_is_reported_to_whoever_examines_it(driver: Driver, around: Surroundings) -> None:
    driver.on_report(report(start(driver), Outcome.DEVICE, "uncorrectable ECC error"))
    assert around.failed_devices == ["here"]


def test_a_stop_drains_what_runs_and_starts_nothing_more(driver: Driver, around: Surroundings) -> None:
    order = start(driver)
    around.stop_request = "interrupted"
    driver.on_tick()
    assert (driver.stop_reason, driver.interrupted) == ("interrupted", True)
    assert read_drain_flag(around.directory / "drain") is not None
    assert driver.next_order(whole_device=False) is None
    assert not driver.may_stop(), "a trial still saves its state"
    driver.on_report(report(order, Outcome.DRAINED))
    assert driver.may_stop()


def test_an_earlier_deadline_of_the_drain_stands(driver: Driver, around: Surroundings) -> None:
    deadline = float(int(time.time())) + 5
    raise_drain_flag(around.directory / "drain", deadline)
    driver.stop("told to")
    assert read_drain_flag(around.directory / "drain") == deadline


def test_the_limit_of_failures_is_an_end_of_the_sweep_and_no_interruption(around: Surroundings) -> None:
    work = around.open_run(max_failures=1)
    driver = around.driver(work)
    driver.on_report(report(start(driver), Outcome.CRASH, "died"))
    assert driver.stop_reason == "1 failed trials (the limit is 1)"
    assert not driver.interrupted


def test_the_loss_of_its_own_node_stops_the_driver_at_once(driver: Driver, around: Surroundings) -> None:
    start(driver)
    around.own_node_is_lost = True
    driver.on_tick()
    assert driver.stop_reason == "the Ray node of the driver has died"
    assert driver.may_stop(), "no process is left to wait for"


def test_a_problem_of_the_environment_ends_the_run_without_a_row(driver: Driver, work: OpenRun) -> None:
    driver.on_report(report(start(driver), Outcome.ENVIRONMENT, "No space left on device"))
    assert failures(work) == []
    assert work.backlog.progress().left == 2
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        driver.run()
