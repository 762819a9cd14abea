"""What is left to do: plan minus ledger minus given up, in the plan's order, with the retries that failures earn.

Pure bookkeeping, without Ray or files: the driver feeds it what happens and asks it what comes next. Every call but
the first costs the same however many trials there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.plan.cells import Cell
from orchestrator.run.ledger import Ledger
from orchestrator.run.retry_policy import needs_whole_device

BREAKER_TRIALS = 3
"""A (model, template) of which so many trials were given up and none has finished is not tried further."""

_Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Counts of cells: finished (done or diverged), given up, held back by the breaker, and all."""

    done: int
    diverged: int
    failed: int
    held_back: int
    total: int

    @property
    def left(self) -> int:
        """Cells that are still to be run."""
        return self.total - self.done - self.diverged - self.failed - self.held_back


class Backlog:
    """The trials that still have to run.

    Args:
        cells: the wanted cells, in running order.
        ledger: what is known of them; the caller adds rows to it as they are written.
    """

    def __init__(self, cells: Sequence[Cell], ledger: Ledger) -> None:
        self._ledger = ledger
        self._total = len(cells)
        self._cells: dict[str, list[Cell]] = {}
        for cell in cells:
            self._cells.setdefault(cell.trial_id, []).append(cell)
        self._state: dict[str, str] = {}
        self._count: Counter[tuple[_Pair, str]] = Counter()
        self._waiting: dict[str, None] = {}
        for trial_id in self._cells:
            self._enter(trial_id, self._state_in_ledger(trial_id))

    def cells_of(self, trial_id: str) -> tuple[Cell, ...]:
        """All wanted cells that come to this trial; the first stands for it."""
        return tuple(self._cells[trial_id])

    def next(self, *, whole_device: bool) -> Cell | None:
        """Take the next trial that may run with (or without) a device to itself; None where none waits."""
        trial_id = next(self._ready(whole_device), None)
        if trial_id is None:
            return None
        self._enter(trial_id, "running")
        return self._cells[trial_id][0]

    def has_waiting(self, *, whole_device: bool) -> bool:
        """Whether `next` would give a trial."""
        return next(self._ready(whole_device), None) is not None

    def attempt(self, trial_id: str) -> int:
        """The number of the trial's attempt that comes next or is under way."""
        return self._ledger.record(trial_id).attempt + 1

    def ended(self, trial_id: str) -> str:
        """Take note that an attempt has ended and its row is in the ledger.

        Returns what the trial is now: `done`, `diverged`, `failed` (given up) or `waiting` (for its retry).
        """
        state = self._state_in_ledger(trial_id)
        self._enter(trial_id, state)
        return state

    def returned(self, trial_id: str) -> None:
        """Take note that a trial was not run to its end because its run was stopped: it waits again."""
        self._enter(trial_id, "waiting")

    def running(self) -> tuple[str, ...]:
        """The trials that were taken and have not ended."""
        return tuple(trial_id for trial_id, state in self._state.items() if state == "running")

    def progress(self) -> Progress:
        """Counts over the wanted cells."""
        counts: Counter[str] = Counter()
        for (pair, state), count in self._count.items():
            counts["held_back" if state == "waiting" and self._is_broken(pair) else state] += count
        return Progress(
            done=counts["done"],
            diverged=counts["diverged"],
            failed=counts["failed"],
            held_back=counts["held_back"],
            total=self._total,
        )

    def _enter(self, trial_id: str, state: str) -> None:
        """Move a trial to `state`, and keep the counts in step."""
        pair, cells = self._pair(trial_id), len(self._cells[trial_id])
        if trial_id in self._state:
            self._count[pair, self._state[trial_id]] -= cells
        self._count[pair, state] += cells
        self._state[trial_id] = state
        if state == "waiting":
            self._waiting[trial_id] = None
        else:
            self._waiting.pop(trial_id, None)

    def _ready(self, whole_device: bool) -> Iterator[str]:
        """Waiting trials with this need that the breaker does not hold back, in order."""
        for trial_id in self._waiting:
            if self._needs_whole_device(trial_id) == whole_device and not self._is_broken(self._pair(trial_id)):
                yield trial_id

    def _needs_whole_device(self, trial_id: str) -> bool:
        return needs_whole_device(self._ledger.record(trial_id).counted_failures)

    def _is_broken(self, pair: _Pair) -> bool:
        finished = self._count[pair, "done"] + self._count[pair, "diverged"]
        return self._count[pair, "failed"] >= BREAKER_TRIALS and not finished

    def _state_in_ledger(self, trial_id: str) -> str:
        record = self._ledger.record(trial_id)
        if record.finished:
            return str(record.status)
        return "failed" if record.given_up else "waiting"

    def _pair(self, trial_id: str) -> _Pair:
        cell = self._cells[trial_id][0]
        return cell.spec.model, cell.template
