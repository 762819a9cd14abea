"""What is left to do: the plan minus finished and given-up trials, in the plan's order, with the retries due.

Pure bookkeeping, without Ray or files: the driver reports what happens and asks what comes next. After construction,
the cost of a call does not depend on the number of trials.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fdt_core.results.looks import Looks
from fdt_core.results.tuning import TUNED, Tuning
from orchestrator.plan.cells import Cell, KindKey
from orchestrator.run.adaptive.tuned_cells import Choice
from orchestrator.run.adaptive.wanted_cells import WantedCells
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.retry_policy import is_held_back, needs_whole_device


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Counts of cells: finished (done or diverged), given up (failed), held back by the breaker, spared, and all."""

    done: int
    diverged: int
    failed: int
    held_back: int
    spared: int = 0
    """No look has asked for them so far, or no winner of the tuning."""
    stopped: int = 0
    """Candidates of the tuning that go no further."""
    pending: int = 0
    """Of those that are left, trainings that wait for a decision of the tuning."""
    may_follow: int = 0
    """Of the spared ones, those that the next looks may ask for."""
    total: int

    @property
    def left(self) -> int:
        """Cells still to be run, as far as is known."""
        return self.total - self.done - self.diverged - self.failed - self.held_back - self.spared - self.stopped

    @property
    def asked(self) -> int:
        """Cells that are to be run, or were: all but the spared ones."""
        return self.total - self.spared

    @property
    def ended(self) -> int:
        """Cells of which nothing more comes."""
        return self.asked - self.left

    def to_json(self) -> dict[str, int]:
        """Plain data, `left` included."""
        return asdict(self) | {"left": self.left}


class Backlog:
    """The trials that still have to run.

    Args:
        cells: the planned cells, in running order.
        ledger: what is known of them; the caller adds rows to it as they are written.
        looks: when to look at the comparisons, in a sweep with adaptive seeds.
        tuning: how settings are chosen before the comparison, in a tuned sweep.
    """

    def __init__(
        self, cells: Sequence[Cell], ledger: Ledger, looks: Looks | None = None, tuning: Tuning | None = None
    ) -> None:
        self._ledger = ledger
        self.wanted = WantedCells(cells, looks, ledger, tuning)
        self._cells: dict[str, list[Cell]] = {}
        for cell in cells:
            self._cells.setdefault(cell.trial_id, []).append(cell)
        tuned = self.wanted.tuned
        self._choices: dict[str, tuple[Choice | None, ...]] = {
            trial_id: tuple(tuned.choice(cell) if tuned else None for cell in of_trial)
            for trial_id, of_trial in self._cells.items()
        }
        self._state: dict[str, TrialState] = {}
        self._count: Counter[tuple[KindKey, TrialState]] = Counter()
        self._count_of_choice: Counter[tuple[KindKey, Choice | None, TrialState]] = Counter()
        self._ready: dict[bool, OrderedDict[str, None]] = {False: OrderedDict(), True: OrderedDict()}
        """The waiting trials by whether they need a whole device, in running order."""
        self._held_back: dict[KindKey, dict[str, None]] = {}
        """The waiting trials of each kind that the breaker holds back."""
        self._progress: Progress | None = None
        for trial_id in self._cells:
            self._enter(trial_id, ledger.record(trial_id).state)

    def cells_of(self, trial_id: str) -> tuple[Cell, ...]:
        """All planned cells that share this trial, in running order."""
        return tuple(self._cells[trial_id])

    def peek(self, *, whole_device: bool) -> Cell | None:
        """The next trial that may run with (or without) a device to itself; None if none is waiting."""
        trial_id = next(iter(self._ready[whole_device]), None)
        return None if trial_id is None else self._cells[trial_id][0]

    def next(self, *, whole_device: bool) -> Cell | None:
        """Take the trial that `peek` returns."""
        cell = self.peek(whole_device=whole_device)
        if cell is not None:
            self._enter(cell.trial_id, TrialState.RUNNING)
        return cell

    def ready(self, *, whole_device: bool) -> int:
        """How many trials may run now with (or without) a device to themselves."""
        return len(self._ready[whole_device])

    def attempt(self, trial_id: str) -> int:
        """The number of the trial's next or running attempt."""
        return self._ledger.record(trial_id).attempt + 1

    def ended(self, trial_id: str) -> TrialState:
        """Record that an attempt has ended and its row is in the ledger; return the trial's new state.

        What a look asks for now waits from here on.
        """
        self._enter(trial_id, self._ledger.record(trial_id).state)
        for other in self.wanted.ended(trial_id):
            if self._state[other] in (TrialState.SPARED, TrialState.STOPPED):
                self._enter(other, TrialState.WAITING)
        self._progress = None  # what is wanted may have changed for trials that stay where they are
        return self._state[trial_id]

    def returned(self, trial_id: str) -> None:
        """Record that a trial stopped before its end: it waits again, and comes before all others."""
        self._enter(trial_id, TrialState.WAITING)
        ready = self._ready[self._needs_whole_device(trial_id)]
        if trial_id in ready:
            ready.move_to_end(trial_id, last=False)

    def running(self) -> tuple[str, ...]:
        """The trials that were taken and have not ended yet."""
        return tuple(trial_id for trial_id, state in self._state.items() if state is TrialState.RUNNING)

    def progress(self) -> Progress:
        """Counts over the planned cells: as many steps as there are kinds of trials, if anything has changed."""
        if self._progress is None:
            self._progress = self._count_cells()
        return self._progress

    def _count_cells(self) -> Progress:
        counts: Counter[TrialState] = Counter()
        held_back, tuned = 0, self.wanted.tuned
        pending = tuned.not_asked if tuned else 0
        for (kind, choice, state), count in self._count_of_choice.items():
            if tuned and choice:
                if not tuned.is_chosen(choice):
                    continue
                if tuned.is_open(choice):
                    pending += count
                    continue
            counts[state] += count
            if state is TrialState.WAITING and self._is_broken(kind):
                held_back += count
        return Progress(
            done=counts[TrialState.DONE],
            diverged=counts[TrialState.DIVERGED],
            failed=counts[TrialState.FAILED],
            held_back=held_back,
            spared=counts[TrialState.SPARED],
            stopped=self.wanted.stopped,
            pending=pending,
            may_follow=self.wanted.may_follow(),
            total=sum(counts.values()) + pending,
        )

    def _enter(self, trial_id: str, state: TrialState) -> None:
        """Move a trial to `state` and update the counts. A trial waits only if it is wanted."""
        self._progress = None
        if state is TrialState.WAITING and not self.wanted.wants(trial_id):
            state = TrialState.STOPPED if self._ledger.record(trial_id).trained else TrialState.SPARED
        kind, cells = self._kind(trial_id), len(self._cells[trial_id])
        if trial_id in self._state:
            self._count[kind, self._state[trial_id]] -= cells
            for choice in self._choices[trial_id]:
                self._count_of_choice[kind, choice, self._state[trial_id]] -= 1
        self._count[kind, state] += cells
        for choice in self._choices[trial_id]:
            self._count_of_choice[kind, choice, state] += 1
        self._state[trial_id] = state
        for trials in (*self._ready.values(), self._held_back.get(kind, {})):
            trials.pop(trial_id, None)
        self._judge(kind)
        if state is TrialState.WAITING:
            ready = self._ready[self._needs_whole_device(trial_id)]
            self._held_back.get(kind, ready)[trial_id] = None

    def _judge(self, kind: KindKey) -> None:
        """Hold back what waits of a kind whose trials fail; let it go, before all others, once one has finished."""
        broken = self._is_broken(kind)
        if broken and kind not in self._held_back:
            of_kind = [each for ready in self._ready.values() for each in ready if self._kind(each) == kind]
            self._held_back[kind] = dict.fromkeys(of_kind)
            for ready in self._ready.values():
                for trial_id in of_kind:
                    ready.pop(trial_id, None)
        elif not broken and kind in self._held_back:
            for trial_id in reversed(self._held_back.pop(kind)):
                ready = self._ready[self._needs_whole_device(trial_id)]
                ready[trial_id] = None
                ready.move_to_end(trial_id, last=False)

    def _needs_whole_device(self, trial_id: str) -> bool:
        return needs_whole_device(self._ledger.record(trial_id).counted_failures)

    def _is_broken(self, kind: KindKey) -> bool:
        if kind[3] == TUNED:  # another candidate may work, and a rung waits for all of them
            return False
        finished = self._count[kind, TrialState.DONE] + self._count[kind, TrialState.DIVERGED]
        return is_held_back(given_up=self._count[kind, TrialState.FAILED], finished=finished)

    def _kind(self, trial_id: str) -> KindKey:
        return self._cells[trial_id][0].kind
