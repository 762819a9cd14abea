"""What interruptions cost a sweep, read from its trials' logs: time, epochs trained twice, trials begun too late."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cluster.slurm.files import SlurmFiles

_LINE = re.compile(r"(?P<time>\S+) (?P<message>.*)")
_START = re.compile(r"attempt \d+ on .*slurm_job_id='(?P<job>\d+)'.*, after (?P<epochs>\d+) epochs")
_EPOCH = re.compile(r"epoch (?P<epoch>\d+)/")
_SAVED = "drained: "
_ENDED = "ended: "
TICK_SECONDS = 1.0
"""The logs tell the time to the second."""


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """A trial that had to begin again from its checkpoint.

    Args:
        trial_id: the trial.
        lost_from: when it had reached what the checkpoint holds (seconds since the epoch, to the second).
        resumed_at: when its training went on from there.
        epochs_repeated: epochs that had been trained and were not in the checkpoint.
        last_sign: when its former process last wrote to the log.
        saved: whether that process was told to leave, and saved.
    """

    trial_id: str
    lost_from: float
    resumed_at: float
    epochs_repeated: int
    last_sign: float
    saved: bool

    @property
    def seconds(self) -> float:
        """What it lost: what was thrown away, and the wait."""
        return self.resumed_at - self.lost_from


@dataclass(frozen=True)
class Start:
    """A trial's training began, or began again, in a Slurm job after so many epochs."""

    time: float
    job: str
    epochs: int


@dataclass(frozen=True)
class Epoch:
    """An epoch was over."""

    time: float
    number: int


@dataclass(frozen=True)
class Saved:
    """The trial was told to leave, and saved."""

    time: float


@dataclass(frozen=True)
class Ended:
    """The trial was over."""

    time: float


Event = Start | Epoch | Saved | Ended


def interruptions(run: Path) -> list[Interruption]:
    """All interruptions of a run's trials, in the order in which training went on."""
    found = [each for log in run.glob("logs/*.log") for each in _interruptions(log)]
    return sorted(found, key=lambda each: each.resumed_at)


def epochs_trained(run: Path) -> int:
    """Epochs that the logs tell of, repeated ones included."""
    return sum(isinstance(event, Epoch) for log in run.glob("logs/*.log") for event in _events(log))


def jobs_at_work(run: Path) -> set[str]:
    """The Slurm jobs whose trials, by their logs, are being trained."""
    found = set()
    for log in run.glob("logs/*.log"):
        events = list(_events(log))
        starts = [event for event in events if isinstance(event, Start)]
        if starts and not isinstance(events[-1], Saved | Ended):
            found.add(starts[-1].job)
    return found


def begun_after_drain(run: Path) -> Counter[str]:
    """For each worker job that drained: the trials that began there later, by more than the logs' tick."""
    drained = {
        worker.slurm_job_id: worker.draining_since
        for worker in SlurmFiles(run / "slurm").read_workers()
        if worker.draining_since is not None
    }
    late: Counter[str] = Counter(dict.fromkeys(drained, 0))
    for log in run.glob("logs/*.log"):
        for event in _events(log):
            if isinstance(event, Start) and event.time > drained.get(event.job, float("inf")) + TICK_SECONDS:
                late[event.job] += 1
    return late


def _interruptions(log: Path) -> Iterator[Interruption]:
    reached: dict[int, float] = {}
    before: Event | None = None
    for event in _events(log):
        if isinstance(event, Epoch):
            reached[event.number] = event.time
        elif isinstance(event, Start):
            if reached and before is not None:
                yield Interruption(
                    trial_id=log.stem,
                    lost_from=reached[event.epochs],
                    resumed_at=event.time,
                    epochs_repeated=max(reached) - event.epochs,
                    last_sign=before.time,
                    saved=isinstance(before, Saved),
                )
            reached = {epoch: time for epoch, time in reached.items() if epoch < event.epochs}
            reached[event.epochs] = event.time
        before = event


def _events(log: Path) -> Iterator[Event]:
    """What a log tells, in its order."""
    for line in log.read_text().splitlines():
        if (parts := _LINE.fullmatch(line)) is None:
            continue
        time, message = parts["time"], parts["message"]
        if start := _START.match(message):
            yield Start(time=_seconds(time), job=start["job"], epochs=int(start["epochs"]))
        elif epoch := _EPOCH.match(message):
            yield Epoch(time=_seconds(time), number=int(epoch["epoch"]))
        elif message.startswith(_SAVED):
            yield Saved(time=_seconds(time))
        elif message.startswith(_ENDED):
            yield Ended(time=_seconds(time))


def _seconds(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
