"""A warm process: after a trial nothing of it lives on, however it ended, and it leaves when its device is lost."""

from __future__ import annotations

import dataclasses
import errno
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cluster.machine.drain import DRAIN_FILE_VARIABLE, raise_drain_flag
from fdt_core.training.checkpoint import TrialCheckpoints
from fdt_core.training.learner import Learner
from fdt_core.training.step import TrainingStep
from lab.sweeps import Place, fdt_sweep, trial_order
from orchestrator.trial import session
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import BUSY_SECONDS
from orchestrator.trial.report import ProcessLocation as Where
from orchestrator.trial.report import TrialReport
from orchestrator.tune.trainable import sweep_trainable, training_session
from tests.orchestrator.trial.test_error_kinds import accelerator_error

pytestmark = pytest.mark.trainer

SHORT = ("epochs=2", "width=0.0625")
"""Settings that make the trials of the small sweep shorter."""


@pytest.fixture(scope="module")
def digits(data_directory: Path) -> None:
    """The data of the small sweep."""
    assert fdt_sweep("data", "prepare", "digits", "--data-dir", str(data_directory)).returncode == 0


@pytest.fixture
def order(digits: None, place: Place, monkeypatch: pytest.MonkeyPatch) -> TrialOrder:
    """The first trial of the small sweep, made shorter."""
    (place.run / "logs").mkdir(parents=True)
    monkeypatch.setenv(DRAIN_FILE_VARIABLE, str(place.directory / "drain"))
    return trial_order(place, *SHORT)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Only what is freed at once counts: without this, a test could be saved by a collection that came by chance.

    The first call of this function imports torch's compiler, which leaves a cycle that holds the frames of all callers.
    """
    torch.use_deterministic_algorithms(False)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Takes note of each call of gc.collect."""
    called: list[int] = []
    real = gc.collect
    monkeypatch.setattr(gc, "collect", lambda: called.append(real()))
    return called


class WarmProcess:
    """What Tune does with the process of an actor, a step at a time."""

    def __init__(self, order: TrialOrder, trials_per_process: int = 200) -> None:
        trainable: Any = sweep_trainable(
            training_session,
            node_id=lambda: "a-node",
            actor=object,
            exit_process=_stop,
            retire=lambda: _stop(200),
            trials_per_process=trials_per_process,
        )
        self.actor = trainable({})
        self.former: list[weakref.ref[Any]] = []
        assert self.actor.step()["report"].trials == ()
        self.actor.give([order])

    def begin(self) -> None:
        """Train the first epoch of a trial."""
        self.step()
        session = self.actor._session
        training = session._training
        learner = training._learner
        self.former = [weakref.ref(each) for each in (session, training, learner, learner.network, learner.optimiser)]

    def step(self) -> TrialReport:
        (report,) = self.actor.step()["report"].trials
        assert isinstance(report, TrialReport)
        return report

    def living(self) -> list[str]:
        """What is left of the trial."""
        return [type(found).__name__ for each in self.former if (found := each()) is not None]


def fails_with(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Exception]) -> None:
    """From now on a training step raises, out of code that keeps hold of its error, as careless code does."""

    def step(training: TrainingStep, *_given: object) -> None:
        network = training._network
        try:
            raise make()
        except Exception as error:
            kept = error
            assert network is not None
            raise kept  # noqa: B904 - it is the same error

    monkeypatch.setattr(TrainingStep, "__call__", step)


def test_nothing_of_a_finished_trial_lives_on(order: TrialOrder, collections: list[int]) -> None:
    process = WarmProcess(order)
    process.begin()
    assert len(process.living()) == 5
    process.step()
    report = process.step()
    assert report.outcome == "done"
    assert process.living() == []
    assert collections == [], "nothing of ours needs the garbage collector"


def test_nothing_of_a_failed_trial_lives_on(
    order: TrialOrder, monkeypatch: pytest.MonkeyPatch, collections: list[int]
) -> None:
    process = WarmProcess(order)
    process.begin()
    fails_with(monkeypatch, lambda: ValueError("no such luck"))
    report = process.step()
    assert report.outcome == "error"
    assert "no such luck" in str(report.error)
    assert process.living() == []
    assert collections == []


def test_nothing_of_a_diverged_trial_lives_on(place: Place, order: TrialOrder, collections: list[int]) -> None:
    process = WarmProcess(trial_order(place, *SHORT, "learning_rate=1e30"))
    refs: list[weakref.ref[Any]] = []
    real = Learner.__init__

    def made(learner: Learner, *given: Any) -> None:
        real(learner, *given)
        refs.extend([weakref.ref(learner), weakref.ref(learner.network), weakref.ref(learner.optimiser)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "__init__", made)
        process.step()
    assert process.step().outcome == "diverged"
    assert len(refs) == 3
    assert [ref() for ref in refs] == [None] * 3
    assert collections == []


def test_nothing_of_a_drained_trial_lives_on(place: Place, order: TrialOrder, collections: list[int]) -> None:
    process = WarmProcess(order)
    process.begin()
    raise_drain_flag(place.directory / "drain", time.time() + 3600)
    assert process.step().outcome == "drained"
    assert process.living() == []
    assert collections == []
    assert len(list(place.run.glob("checkpoints/*/working-*.pt"))) == 1, "its state is saved"


def test_a_network_that_holds_itself_is_freed_too(order: TrialOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    from fdt_core.training import learner

    real: Callable[[Any], nn.Module] = vars(learner)["initial_network"]

    def tied(spec: Any) -> nn.Module:
        network = real(spec)
        network.register_forward_hook(lambda *_given: network and None)
        return network

    monkeypatch.setattr(learner, "initial_network", tied)
    process = WarmProcess(order)
    process.begin()
    process.step()
    assert process.step().outcome == "done"
    assert process.living() == []


def test_a_trial_that_fails_as_it_begins_leaves_nothing_behind(
    order: TrialOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs: list[weakref.ref[Any]] = []

    def out_of_memory(network: nn.Module, *_given: object, **_named: object) -> None:
        refs.append(weakref.ref(network))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("fdt_core.training.step.build_optimiser", out_of_memory)
    process = WarmProcess(order)
    assert process.step().outcome == "oom"
    assert [ref() for ref in refs] == [None]


@pytest.mark.parametrize(("number", "outcome"), [(710, "error"), (700, "error"), (719, "device"), (98, "error")])
def test_a_process_whose_device_refuses_further_work_is_replaced(
    order: TrialOrder, monkeypatch: pytest.MonkeyPatch, number: int, outcome: str
) -> None:
    fails_with(monkeypatch, lambda: accelerator_error(number))
    process = WarmProcess(order)
    report = process.actor.step()["report"]
    assert ([trial.outcome for trial in report.trials], report.leaves) == ([outcome], True)
    with pytest.raises(_Left, match="0"):
        process.step()


def test_a_process_whose_trial_ran_out_of_memory_goes_on_to_the_next(
    order: TrialOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = WarmProcess(order)
    with pytest.MonkeyPatch.context() as patch:
        fails_with(patch, lambda: accelerator_error(2, "CUDA error: out of memory"))
        assert process.step().outcome == "oom"
    process.actor.give([order])
    process.begin()
    process.step()
    assert process.step().outcome == "done"


def test_a_process_leaves_after_its_last_trial_of_which_nothing_lives_on(place: Place, order: TrialOrder) -> None:
    process = WarmProcess(order, trials_per_process=2)
    for leaves in (False, True):
        process.begin()
        while (report := process.actor.step()["report"]).trials[-1].outcome is None:
            pass
        assert ([trial.outcome for trial in report.trials], report.leaves) == (["done"], leaves)
        assert process.living() == []
        process.actor.give([trial_order(place, *SHORT, "seeds=[1]")])
    with pytest.raises(_Left, match="200"):
        process.step()


def test_nothing_of_a_trial_whose_checkpoint_could_not_be_written_lives_on(
    place: Place, order: TrialOrder, monkeypatch: pytest.MonkeyPatch, collections: list[int]
) -> None:
    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TrialCheckpoints, "save", full)
    process = WarmProcess(
        dataclasses.replace(order, settings=dataclasses.replace(order.settings, checkpoint_interval=0))
    )
    process.begin()
    report = process.step()
    assert report.outcome == "environment"
    assert "No space left" in str(report.error)
    assert process.living() == []
    assert collections == []
    assert not [thread for thread in threading.enumerate() if thread.name == "checkpoint-writer"]


def test_a_trial_that_fails_waits_for_the_checkpoint_that_is_being_written(
    place: Place, order: TrialOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = TrialCheckpoints.save

    def slowly(*given: Any) -> None:
        time.sleep(0.5)
        save(*given)

    monkeypatch.setattr(TrialCheckpoints, "save", slowly)
    process = WarmProcess(
        dataclasses.replace(order, settings=dataclasses.replace(order.settings, checkpoint_interval=0))
    )
    process.begin()
    fails_with(monkeypatch, lambda: ValueError("no such luck"))
    assert process.step().outcome == "error"
    assert process.living() == []
    assert len(list(place.run.glob("checkpoints/*/working-000001-*.pt"))) == 1


def test_a_device_in_use_by_others_is_waited_for_and_no_failure(
    order: TrialOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "BUSY_SECONDS", 1.0)
    fails_with(monkeypatch, lambda: accelerator_error(46))
    process = WarmProcess(order)
    begun = time.monotonic()
    report = process.actor.step()["report"]
    assert time.monotonic() - begun >= 1.0
    assert [trial.outcome for trial in report.trials] == ["busy"]
    assert report.leaves, "the next attempt is in a fresh process"


def test_a_process_that_waits_for_a_device_leaves_with_its_node(
    place: Place, order: TrialOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> Exception:
        raise_drain_flag(place.directory / "drain", time.time() + 60)
        return accelerator_error(46)

    fails_with(monkeypatch, busy)
    process = WarmProcess(order)
    begun = time.monotonic()
    assert process.step().outcome == "drained"
    assert time.monotonic() - begun < BUSY_SECONDS


def test_a_failed_device_is_named(order: TrialOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    process = WarmProcess(order)
    process.begin()
    session = process.actor._session
    session._place = Where(hostname="node7", pid=1, device_id="3", device_uuid="GPU-abc")
    fails_with(monkeypatch, lambda: accelerator_error(214, "CUDA error: uncorrectable ECC error encountered"))
    report = process.step()
    assert str(report.error).splitlines()[-1] == "Device: GPU-abc on node7"
    assert (report.place.device_id, report.place.device_uuid) == ("3", "GPU-abc")


def test_the_peak_of_a_small_trial_after_a_large_one_is_its_own(place: Place, order: TrialOrder) -> None:
    def peak(process: WarmProcess) -> float:
        while (report := process.step()).outcome is None:
            pass
        assert report.result is not None
        return report.result.peak_memory_mb

    small = trial_order(place, *SHORT, "batch_size=16", "epochs=1")
    large = trial_order(place, *SHORT, "width=0.5", "batch_size=500", "epochs=1", "validation=0.6")
    process = WarmProcess(small)
    peaks = [peak(process)]
    for order in (large, small):
        process.actor.give([order])
        peaks.append(peak(process))
    before, of_large, after = peaks
    assert of_large > before + 150, peaks
    assert after < before + 50, peaks


class _Left(Exception):
    """The process has exited with this status."""


def _stop(status: int) -> None:
    raise _Left(status)
