"""States are written beside the training: one at a time, none half, and the newest before the training pauses."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fdt_core.training import checkpoint
from fdt_core.training.checkpoint import Keep, TrialCheckpoints
from fdt_core.training.state_keeper import StateKeeper, seconds_between_checkpoints


class Disk:
    """A disk on which writing takes as long as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[str] = []
        self.began, self.may_go_on = threading.Semaphore(0), threading.Event()
        self.may_go_on.set()
        self.full = False
        self._real, self._busy = checkpoint._write_atomically, threading.Lock()
        monkeypatch.setattr(checkpoint, "_write_atomically", self.write)

    def write(self, path: Path, contents: bytes) -> None:
        assert self._busy.acquire(blocking=False), "one write at a time"
        try:
            self.began.release()
            assert self.may_go_on.wait(60)
            if self.full:
                raise OSError(28, "No space left on device")
            self._real(path, contents)
            self.written.append(path.name[: len("working-000001")] if "working" in path.name else path.name)
        finally:
            self._busy.release()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.may_go_on.set()


class Trial:
    """What a training does with its keeper; an epoch takes a second."""

    def __init__(
        self, directory: Path, *, keep: Keep = "none", interval: float = 0, bandwidth: float = math.inf
    ) -> None:
        self.checkpoints = TrialCheckpoints(directory / "trial", keep=keep)
        self.weights, self.epoch, self.now = torch.zeros(3), 0, 0.0
        self.keeper = StateKeeper(
            self.checkpoints,
            torch.device("cpu"),
            interval=interval,
            bytes_per_second=bandwidth,
            about_weights={"about": "x"},
            clock=lambda: self.now,
        )

    def train(self, *, best: bool = False, ended: bool = False, pauses: bool = False) -> None:
        self.epoch += 1
        self.now += 1
        self.weights += 1
        state = {"identity": "trial", "epoch": self.epoch, "network": {"weight": self.weights}}
        self.keeper.keep(state, best=best, ended=ended, pauses=pauses or ended)

    def saved(self) -> int:
        """The epoch of the newest state on the disk, which must be whole; 0 if there is none."""
        state = self.checkpoints.load("trial")
        if state is None:
            return 0
        assert state["network"]["weight"].tolist() == [state["epoch"]] * 3
        return int(state["epoch"])

    def kept(self, name: str) -> float:
        state: dict[str, Any] = torch.load(self.checkpoints.directory / f"{name}.pt", weights_only=True)
        assert state["about"] == "x"
        return float(state["network"]["weight"][0])


def test_the_training_goes_on_while_its_state_is_written(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path)
    disk.may_go_on.clear()
    trial.train()
    assert disk.began.acquire(timeout=60)
    for _ in range(3):
        trial.train()
    assert disk.written == []
    disk.may_go_on.set()
    trial.keeper.save()
    assert disk.written == ["working-000001", "working-000004"], "those in between are left out"
    assert trial.saved() == 4


def test_what_is_written_is_the_state_of_an_epochs_end(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path)
    for _ in range(20):
        trial.train()
        assert trial.saved() <= trial.epoch
    trial.keeper.save()
    assert trial.saved() == 20
    trial.keeper.save()
    assert disk.written.count("working-000020") == 1, "once is enough"


def test_the_next_state_that_is_due_is_written_when_the_disk_is_free(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path)
    disk.may_go_on.clear()
    trial.train()
    trial.train()
    disk.may_go_on.set()
    trial.keeper._writing.wait()
    trial.train()
    trial.keeper._writing.wait()
    assert disk.written == ["working-000001", "working-000003"]


@pytest.mark.parametrize("keep", ["none", "final", "best"])
def test_at_its_end_everything_is_on_the_disk_the_weights_first(tmp_path: Path, disk: Disk, keep: Keep) -> None:
    trial = Trial(tmp_path, keep=keep, interval=3600)
    trial.train()
    trial.train(best=True)
    trial.train()
    assert disk.written == []
    trial.train(ended=True)
    assert disk.written == [*([] if keep == "none" else [f"{keep}.pt"]), "working-000004"]
    if keep != "none":
        assert trial.kept(keep) == {"final": 4, "best": 2}[keep]


def test_a_pause_saves_the_state_and_keeps_no_weights(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path, keep="final", interval=3600)
    trial.train(pauses=True)
    assert disk.written == ["working-000001"]


def test_the_weights_of_every_epoch_are_written_however_slow_the_disk_is(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path, keep="all", interval=2)
    for _ in range(3):
        trial.train()
    trial.train(ended=True)
    assert disk.written == [
        *("epoch-000001.pt", "epoch-000002.pt", "working-000002"),
        *("epoch-000003.pt", "epoch-000004.pt", "working-000004"),
    ]
    assert [trial.kept(f"epoch-{epoch:06d}") for epoch in (1, 2, 3, 4)] == [1, 2, 3, 4]


def test_best_weights_survive_a_restart(tmp_path: Path, disk: Disk) -> None:
    first = Trial(tmp_path, keep="best")
    first.train(best=True)
    first.train(pauses=True)
    second = Trial(tmp_path, keep="best")
    state = second.keeper.load("trial")
    assert state is not None
    second.epoch, second.weights = state["epoch"], state["network"]["weight"]
    second.keeper.save()
    assert disk.written.count("working-000002") == 1, "it is on the disk already"
    second.train(ended=True)
    assert second.kept("best") == 1


def test_a_write_that_fails_fails_the_next_epoch_and_can_be_tried_again(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path)
    disk.full = True
    trial.train()
    trial.keeper._writing._thread.join()  # type: ignore[union-attr]
    with pytest.raises(OSError, match="No space left"):
        trial.train()
    with pytest.raises(OSError, match="No space left"):
        trial.keeper.save()
    disk.full = False
    trial.keeper.save()
    assert trial.saved() == 1


def test_closing_waits_for_the_write_and_forgives_it(tmp_path: Path, disk: Disk) -> None:
    trial = Trial(tmp_path)
    disk.may_go_on.clear()
    disk.full = True
    trial.train()
    thread = trial.keeper._writing._thread
    assert thread is not None
    threading.Timer(0.1, disk.may_go_on.set).start()
    trial.keeper.close()
    assert not thread.is_alive()
    assert not list(trial.checkpoints.directory.glob("working-*"))


@given(st.floats(0, 1e4), st.integers(0, 10**12), st.floats(1, 1e12), st.integers(1, 5000))
def test_all_trials_together_write_no_more_than_the_bandwidth(
    least: float, size: int, bandwidth: float, slots: int
) -> None:
    seconds = seconds_between_checkpoints(least, size, bandwidth / slots)
    assert seconds >= least
    assert slots * size <= seconds * bandwidth * (1 + 1e-9)
    assert seconds == least or slots * size >= seconds * bandwidth * (1 - 1e-9), "and no longer than needed"


@pytest.mark.parametrize(("interval", "bandwidth", "every"), [(0, math.inf, 1), (3, math.inf, 3), (0, 12 / 4, 4)])
def test_working_checkpoints_keep_their_distance(
    tmp_path: Path, disk: Disk, interval: float, bandwidth: float, every: int
) -> None:
    trial = Trial(tmp_path, interval=interval, bandwidth=bandwidth)
    for _ in range(12):
        trial.train()
        trial.keeper._writing.wait()
    epochs = itertools.count(every, every)
    assert disk.written == [f"working-{next(epochs):06d}" for _ in range(12 // every)]
