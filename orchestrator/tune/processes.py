"""Which process works on which trials: the orders that the driver gave and has not heard the end of.

Pure bookkeeping, without Ray: a process is known by the name that Ray Tune has for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from orchestrator.plan.cells import Cell
from orchestrator.run.backlog import Backlog
from orchestrator.trial.order import TrialOrder
from orchestrator.trial.outcome import NOT_FAILED
from orchestrator.trial.report import ProcessLocation, ProcessReport

SPARE_PROCESSES = 2
"""As many processes may be waited for although all slots are taken: more nodes than expected may join."""

ORDERS_AHEAD = 50
"""A process is not given more orders than this at once."""


class _Give(Protocol):
    def remote(self, orders: Sequence[TrialOrder]) -> object: ...


class Actor(Protocol):
    """A process as Ray's handle of it."""

    give: _Give


@dataclass(kw_only=True)
class TrialProcess:
    """A process that has reported.

    Args:
        actor: takes its orders.
        place: where it is.
        orders: what it was given, by trial, and has not ended.
        has_ended_any: whether it has come to the end of a trial: the first may take longer, because a process imports,
            loads data and compiles.
    """

    actor: Actor
    place: ProcessLocation
    orders: dict[str, TrialOrder] = field(default_factory=dict)
    has_ended_any: bool = False


class Processes:
    """The processes of a round, and the trials that each is given.

    Args:
        backlog: gives the trials, in its order.
        make_order: the order for a trial that was taken from it.
        slots: how many processes there is room for.
        whole_device: whether each has a device to itself.
        seconds_ahead: for how long, at most, a process is given trials at once.
    """

    def __init__(
        self,
        backlog: Backlog,
        make_order: Callable[[Cell], TrialOrder],
        *,
        slots: int,
        whole_device: bool,
        seconds_ahead: float,
    ) -> None:
        self._backlog, self._make_order = backlog, make_order
        self.slots, self._whole_device, self._seconds_ahead = slots, whole_device, seconds_ahead
        self._expected: set[str] = set()
        self._known: dict[str, TrialProcess] = {}
        self._leaving: set[str] = set()
        self._working: set[str] = set()
        self._alone: set[str] = set()
        self._seconds: dict[object, float] = {}  # how long a trial of each kind took, the last that has ended

    @property
    def working(self) -> int:
        """How many processes have orders."""
        return len(self._working)

    def are_done(self) -> bool:
        """Whether no process works, and there is nothing for one to do."""
        return not self._working and self._backlog.peek(whole_device=self._whole_device) is None

    def wants_another(self) -> bool:
        """Whether there is work, and room, for a process more than have been started or asked for."""
        expected = len(self._expected) + len(self._leaving)  # one that leaves is started again
        if expected >= SPARE_PROCESSES and len(self._expected) + len(self._known) >= self.slots:
            return False
        return self._backlog.ready(whole_device=self._whole_device) > expected

    def expect(self, name: str) -> None:
        """A process was asked for."""
        self._expected.add(name)

    def reported(self, name: str, report: ProcessReport) -> TrialProcess:
        """The process that has sent this report; what it has ended, and what it has not begun, is to be dropped."""
        if report.actor is not None:
            self._expected.discard(name)
            self._known[name] = TrialProcess(actor=cast(Actor, report.actor), place=report.place)
        process = self._known[name]
        if report.leaves:
            self._leaving.add(name)
        for trial in report.trials:
            process.place = trial.place
            if trial.outcome in NOT_FAILED:
                process.has_ended_any = True
                before = trial.result.train_seconds if trial.result else 0.0  # a resumed trial took longer in all
                seconds = max(report.durations[trial.trial_id], before)
                self._seconds[_kind(self._backlog.cells_of(trial.trial_id)[0])] = seconds
        return process

    def hand_out(self, name: str) -> list[Cell]:
        """Give the process its next trials; returns what it was given: nothing if none waits, or it still has one."""
        process = self._known[name]
        given: list[Cell] = []
        if process.orders:
            return given
        self._working.add(name)
        while (cell := self._backlog.peek(whole_device=self._whole_device)) is not None:
            if given and not (process.has_ended_any and self._may_follow(given, cell)):
                break
            self._backlog.next(whole_device=self._whole_device)
            process.orders[cell.trial_id] = self._make_order(cell)
            given.append(cell)
        if given:
            process.actor.give.remote(list(process.orders.values()))
        else:
            self._working.discard(name)
        return given

    def drop(self, name: str, trial_id: str) -> None:
        """The process works on this trial no longer."""
        del self._known[name].orders[trial_id]
        if not self._known[name].orders:
            self._working.discard(name)

    def died(self, name: str) -> TrialProcess | None:
        """The process has died, and is started again: what is known of it; None if it had not reported."""
        self._working.discard(name)
        self._leaving.discard(name)
        self._expected.add(name)
        return self._known.pop(name, None)

    def is_gone(self, name: str) -> None:
        """The process could not be started (again), and Tune has given it up: another may be asked for."""
        self._expected.discard(name)

    def dismissed(self, name: str) -> None:
        """The process was told that there is nothing for it to do."""
        self._known.pop(name, None)

    def keep_alone(self, trial_ids: Iterable[str]) -> None:
        """From now on, give these trials to processes that have no other: one of them may have killed its process."""
        self._alone.update(trial_ids)

    def forget_working(self) -> None:
        """No process is left."""
        self._working.clear()

    def _may_follow(self, given: Sequence[Cell], cell: Cell) -> bool:
        """Whether a process is told already now that `cell` comes after what it was `given`."""
        if {cell.trial_id, given[0].trial_id} & self._alone:
            return False
        seconds = sum(self._seconds.get(_kind(each), self._seconds_ahead) for each in given)
        # At the end, the others want some, too.
        fair = self._backlog.ready(whole_device=self._whole_device) / (2 * len(self._working))
        return seconds < self._seconds_ahead and len(given) < min(ORDERS_AHEAD, fair)


def _kind(cell: Cell) -> object:
    """What trials have in common that take equally long."""
    return cell.kind, cell.spec.width, cell.spec.dataset
