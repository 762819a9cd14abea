"""Which deaths of processes count: by node, by progress, and not at all before a process has reported where it is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fdt_core.errors import EnvironmentProblem
from fdt_core.results.reader import read_table
from fdt_core.training.device_dataset import DeviceDataset
from lab.engine import Engine, local_engine
from lab.nothing_session import nothing_session
from orchestrator.run.run_directory import RunDirectory
from orchestrator.trial.order import TrialOrder
from orchestrator.tune.process_deaths import FAILED_STARTS, FAILED_STARTS_SECONDS, Deaths, FailedStarts
from orchestrator.tune.trainable import TRIALS_PER_PROCESS, Session


class Nodes:
    """The nodes that are lost so far."""

    def __init__(self) -> None:
        self.gone: frozenset[str] = frozenset()

    def __call__(self) -> frozenset[str]:
        return self.gone


class Clock:
    """Seconds, moved by tests."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_deaths_on_living_nodes_count(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path, lost=Nodes())
    assert [deaths.count("t", "n1"), deaths.count("t", "n2"), deaths.count("t", None)] == [1, 2, 3]
    assert deaths.count("other", "n1") == 1
    deaths.forget("t")
    assert deaths.count("t", "n1") == 1


def test_deaths_that_turn_out_to_be_a_lost_or_leaving_nodes_do_not_count(tmp_path: Path) -> None:
    nodes = Nodes()
    deaths = Deaths(tmp_path, leaving={"leaving"}, lost=nodes)
    assert deaths.count("t", "leaving") == 0
    assert deaths.count("t", "dying") == 1, "Ray does not know yet"
    nodes.gone = frozenset({"dying"})
    assert deaths.count("t", "n1") == 1


def test_a_new_checkpoint_forgives_former_deaths(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path, lost=Nodes())
    (tmp_path / "t").mkdir()
    assert [deaths.count("t", "n"), deaths.count("t", "n")] == [1, 2]
    (tmp_path / "t" / "working-000001.pt").touch()
    assert deaths.count("t", "n") == 1


def test_a_long_series_of_failed_starts_means_that_none_succeeds() -> None:
    clock = Clock()
    starts = FailedStarts(lost=Nodes(), clock=clock)
    for _ in range(FAILED_STARTS - 1):
        assert not starts.add()
        clock.now += FAILED_STARTS_SECONDS
    assert starts.add()


def test_a_series_of_failed_starts_ends_with_a_report() -> None:
    clock = Clock()
    starts = FailedStarts(lost=Nodes(), clock=clock)
    for _ in range(3 * FAILED_STARTS):
        clock.now += FAILED_STARTS_SECONDS
        assert not starts.add()
        starts.end_series()


def test_a_node_that_goes_down_while_trials_start_there_is_not_a_series_of_failed_starts() -> None:
    nodes, clock = Nodes(), Clock()
    starts = FailedStarts(lost=nodes, clock=clock)
    assert not any(starts.add() for _ in range(8)), "all at once: perhaps Ray does not know yet"
    nodes.gone = frozenset({"n"})
    clock.now += 2 * FAILED_STARTS_SECONDS
    assert not any(starts.add() for _ in range(8))
    clock.now += FAILED_STARTS_SECONDS
    assert starts.add(), "no further node was lost"


class DeadOnArrival:
    """Makes ordinary sessions, in processes of which the first `deaths` die as they load this, before any report."""

    def __init__(self, starts: Path, deaths: int, test: int) -> None:
        self._starts, self._deaths, self._test = starts, deaths, test

    def __call__(self, order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
        return nothing_session(order, datasets, node_id)

    def __reduce__(self) -> tuple[Callable[..., DeadOnArrival], tuple[Path, int, int]]:
        return _load, (self._starts, self._deaths, self._test)


def _load(starts: Path, deaths: int, test: int) -> DeadOnArrival:
    before = len(list(starts.iterdir()))
    if os.getpid() != test and before < deaths:
        (starts / f"start{before}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return DeadOnArrival(starts, deaths, test)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with local_engine(cpus=2) as running:
        yield running


@pytest.mark.engine
def test_a_death_before_the_first_report_does_not_count_against_a_trial(engine: Engine, tmp_path: Path) -> None:
    # One trial: with two, eight deaths on a slow machine would make a series of failed starts.
    assert engine.run(1, DeadOnArrival(tmp_path, 4, os.getpid())).done == 1
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.engine
def test_processes_are_replaced_after_their_trials_and_no_trial_is_lost_or_tried_twice(engine: Engine) -> None:
    trials = 2 * TRIALS_PER_PROCESS + 50
    rows: list[dict[str, Any]] = []

    def read(run: RunDirectory) -> None:
        rows.extend(read_table(run.results, "trials").rows.to_pylist())

    assert engine.run(trials, nothing_session, examine=read).done == trials
    assert len({row["trial_id"] for row in rows}) == len(rows) == trials
    assert {(row["status"], row["attempt"]) for row in rows} == {("done", 1)}


@pytest.mark.engine
@pytest.mark.slow
def test_processes_that_never_start_end_the_sweep(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="the processes of trials cannot start"):
        engine.run(2, DeadOnArrival(tmp_path, 10_000, os.getpid()))
