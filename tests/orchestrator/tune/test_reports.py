"""When a warm process reports, and what: nothing is lost between two reports, and nothing said twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fdt_core.training.device_dataset import DeviceDataset
from fdt_core.trial.history import EpochRecord
from lab.nothing_session import RECORD
from orchestrator.trial.order import TrialOrder, TrialSettings
from orchestrator.trial.outcome import Outcome
from orchestrator.trial.report import ProcessLocation, ProcessReport, TrialReport
from orchestrator.tune.trainable import TRIALS_PER_PROCESS, Session, sweep_trainable

PLACE = ProcessLocation(hostname="here", pid=1)
SETTINGS = TrialSettings(
    run_directory="", data_directory="", device="cpu", checkpoint_interval=0.0, keep="none", report_interval=10.0
)


def order(trial_id: str = "a", *, interval: float = 10.0) -> TrialOrder:
    settings = dataclasses.replace(SETTINGS, report_interval=interval)
    return TrialOrder(settings=settings, trial_id=trial_id, spec="", attempt=1, dataset_digest="")


def record(epoch: int) -> EpochRecord:
    return dataclasses.replace(RECORD, epoch=epoch)


@dataclass
class Process:
    """A process whose trials take `seconds` an epoch, and end as `ends` says after `epochs` epochs."""

    seconds: float = 1.0
    epochs: int = 50
    ends: Outcome = Outcome.DONE
    now: float = 0.0
    left: bool = False
    retired: bool = False
    trials_per_process: int = TRIALS_PER_PROCESS
    actor: Any = field(init=False)

    def __post_init__(self) -> None:
        trainable: Any = sweep_trainable(
            self.session,
            node_id=lambda: "a-node",
            actor=lambda: "handle",
            exit_process=lambda _status: setattr(self, "left", True),
            retire=lambda: setattr(self, "retired", True),
            trials_per_process=self.trials_per_process,
            clock=lambda: self.now,
        )
        self.actor = trainable({})

    def session(self, order: TrialOrder, datasets: dict[str, DeviceDataset], node_id: str | None) -> Session:
        return _Epochs(self, order)

    def step(self, *orders: TrialOrder) -> ProcessReport:
        if orders:
            self.actor.give(list(orders))
        report = self.actor.step()["report"]
        assert isinstance(report, ProcessReport)
        return report


class _Epochs:
    def __init__(self, process: Process, order: TrialOrder) -> None:
        self._process, self._order = process, order
        self._reports = self._trained()

    def advance(self) -> TrialReport:
        return next(self._reports)

    def _trained(self) -> Iterator[TrialReport]:
        plain = TrialReport(trial_id=self._order.trial_id, attempt=1, place=PLACE)
        for epoch in range(1, self._process.epochs + 1):
            self._process.now += self._process.seconds
            ends = self._process.ends if epoch == self._process.epochs else None
            yield dataclasses.replace(plain, epochs=(record(epoch),), outcome=ends)

    def close(self) -> None:
        """Nothing to free."""


@pytest.fixture
def process() -> Process:
    return introduced(Process())


def introduced(process: Process) -> Process:
    first = process.step()
    assert (first.trials, first.actor, first.leaves, first.place.node_id) == ((), "handle", False, "a-node")
    return process


def epochs(report: ProcessReport) -> list[int]:
    (trial,) = report.trials
    return [each.epoch for each in trial.epochs]


def test_a_young_trial_is_reported_on_soon_and_an_old_one_every_interval(process: Process) -> None:
    reported, moments = [epochs(process.step(order()))], [process.now]
    while reported[-1][-1] < 50:
        reported.append(epochs(process.step()))
        moments.append(process.now)
    assert moments[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 26.0]
    assert [each for found in reported for each in found] == list(range(1, 51))


def test_long_epochs_are_reported_one_by_one() -> None:
    process = introduced(Process(seconds=30.0))
    assert [epochs(process.step(order())), epochs(process.step())] == [[1], [2]]


def test_an_interval_of_zero_reports_every_epoch() -> None:
    process = introduced(Process(seconds=0.01))
    assert [epochs(process.step(order(interval=0.0))), epochs(process.step())] == [[1], [2]]


@pytest.mark.parametrize("ends", [Outcome.DONE, Outcome.ERROR, Outcome.DRAINED])
def test_the_end_is_reported_at_once_with_the_epochs_before_it(ends: Outcome) -> None:
    process = introduced(Process(seconds=0.1, epochs=3, ends=ends))
    report = process.step(order())
    assert epochs(report) == [1, 2, 3]
    assert [trial.outcome for trial in report.trials] == [ends]
    assert report.durations == {"a": pytest.approx(0.3)}
    assert report.leaves == (ends == Outcome.DRAINED)
    process.step()
    assert process.left == report.leaves


def ids(trials: Sequence[TrialReport]) -> list[str]:
    return [trial.trial_id for trial in trials]


def test_short_trials_follow_one_another_without_a_report_in_between() -> None:
    process = introduced(Process(seconds=0.3, epochs=1))
    report = process.step(*(order(name) for name in "abcdef"))
    assert ids(report.trials) == ["a", "b", "c", "d"], "until a second has gone by"
    assert {trial.outcome for trial in report.trials} == {Outcome.DONE}
    assert process.step().trials == (), "the driver gives the others again, to this process or to another"


def test_what_follows_a_failed_trial_is_the_drivers_decision() -> None:
    process = introduced(Process(seconds=0.1, epochs=1, ends=Outcome.ERROR))
    assert ids(process.step(order("a"), order("b")).trials) == ["a"]
    assert process.step().trials == ()


def test_after_its_last_trial_a_process_leaves_at_once_whatever_it_was_given() -> None:
    process = introduced(Process(seconds=0.1, epochs=2, trials_per_process=3))
    report = process.step(order("a"), order("b"))
    assert (ids(report.trials), report.leaves) == (["a", "b"], False)
    assert process.actor.reset_config({})
    assert not process.step().leaves, "it counts on when Tune uses it again"
    report = process.step(order("c"), order("d"))
    assert (ids(report.trials), report.leaves) == (["c"], True)
    assert not process.retired
    process.step()
    assert (process.retired, process.left) == (True, False), "in an orderly way"


def test_a_process_has_two_hundred_trials() -> None:
    process = introduced(Process(seconds=0.001, epochs=1))
    assert process.trials_per_process == 200
    given = [order(str(number)) for number in range(250)]
    report = process.step(*given)
    assert (len(report.trials), report.leaves) == (200, True)


def test_a_process_that_tune_uses_again_introduces_itself_again(process: Process) -> None:
    assert process.actor.reset_config({})
    introduced(process)
