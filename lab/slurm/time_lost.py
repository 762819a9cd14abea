"""What interruptions cost a sweep, read from its trials' logs: time, epochs trained twice, trials started too late."""

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
"""The resolution of times in the logs."""


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """A trial that had to continue from its checkpoint. Times are in seconds since the epoch, to the second.

    Args:
        trial_id: the trial.
        lost_from: when it had reached the state in the checkpoint.
        resumed_at: when training continued from there.
        epochs_repeated: epochs that had been trained and were not in the checkpoint.
        last_logged_at: when its previous process last wrote to the log.
        saved: whether that process was asked to leave, and saved.
    """

    trial_id: str
    lost_from: float
    resumed_at: float
    epochs_repeated: int
    last_logged_at: float
    saved: bool

    @property
    def seconds(self) -> float:
        """The time lost: the training that was thrown away, and the wait."""
        return self.resumed_at - self.lost_from


@dataclass(frozen=True)
class Start:
    """A trial's training started, or continued, in a Slurm job after this many `epochs`."""

    time: float
    job: str
    epochs: int


@dataclass(frozen=True)
class Epoch:
    """An epoch ended."""

    time: float
    number: int


@dataclass(frozen=True)
class Saved:
    """The trial was asked to leave, and saved."""

    time: float


@dataclass(frozen=True)
class Ended:
    """The trial ended."""

    time: float


Event = Start | Epoch | Saved | Ended


def interruptions(run: Path) -> list[Interruption]:
    """All interruptions of a run's trials, in the order in which training continued."""
    found = [each for log in run.glob("logs/*.log") for each in _interruptions(log)]
    return sorted(found, key=lambda each: each.resumed_at)


def epochs_trained(run: Path) -> int:
    """Number of epochs in the logs, repeated ones included."""
    return sum(isinstance(event, Epoch) for log in run.glob("logs/*.log") for event in _events(log))


def training_jobs(run: Path) -> set[str]:
    """Ids of the Slurm jobs in which, by the logs, trials are being trained."""
    found = set()
    for log in run.glob("logs/*.log"):
        events = list(_events(log))
        starts = [event for event in events if isinstance(event, Start)]
        if starts and not isinstance(events[-1], Saved | Ended):
            found.add(starts[-1].job)
    return found


def started_after_drain(run: Path) -> Counter[str]:
    """For each worker job that drained: how many trials started there later, by more than the logs' resolution."""
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
                    last_logged_at=before.time,
                    saved=isinstance(before, Saved),
                )
            reached = {epoch: time for epoch, time in reached.items() if epoch < event.epochs}
            reached[event.epochs] = event.time
        before = event


def _events(log: Path) -> Iterator[Event]:
    """The events in a log, in order."""
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
