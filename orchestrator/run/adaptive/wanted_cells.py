"""Which cells are wanted: all of them, or in a sweep with adaptive seeds, those that a look has asked for.

A function of the plan and the rows alone, kept up to date block by block as trials end. After a crash, the same rows
give the same decisions; what is recorded of them (`results/decisions`) is for readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fdt_core.results.keys import BASE
from fdt_core.results.looks import Looks
from fdt_core.results.tuning import COMPARED, Tuning
from orchestrator.plan.cells import BlockKey, Cell, KindKey, SweepPlan
from orchestrator.run.adaptive.tuned_cells import TunedCells, with_epochs
from orchestrator.run.ledger import Ledger, TrialState
from orchestrator.run.retry_policy import is_held_back

if TYPE_CHECKING:
    from analysis.statistics.arrays import Flags, Values
    from analysis.statistics.sequential.looks import BlockProgress, Decision


@dataclass(frozen=True, kw_only=True)
class BlockDecision:
    """A decision on a template of a block.

    Args:
        block: the block.
        template: the template.
        decision: what the look says of it.
        spared: trainings of the template that it made needless; 0 if the template is open.
    """

    block: BlockKey
    template: str
    decision: Decision
    spared: int


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The trials of a block by template and seed; None where there is no cell."""

    templates: tuple[str, ...]
    trials: tuple[tuple[str | None, ...], ...]

    def first(self, counts: Iterable[int]) -> Iterator[str]:
        """The trials of so many first seeds of each template."""
        for row, count in zip(self.trials, counts, strict=True):
            yield from filter(None, row[:count])


class WantedCells:
    """Which trials are wanted.

    Args:
        cells: the planned cells.
        looks: when to look at a block; None: every cell is wanted.
        ledger: what is known of the trials; the caller adds rows to it.
        tuning: how settings are chosen before the comparison; never together with looks.
    """

    def __init__(
        self, cells: Sequence[Cell], looks: Looks | None, ledger: Ledger, tuning: Tuning | None = None
    ) -> None:
        self._tuned = TunedCells(cells, tuning, ledger) if tuning else None
        self._cells = cells
        self._looks = looks
        self._ledger = ledger
        self._blocks = _blocks(cells) if looks else {}
        self._kinds: dict[str, list[KindKey]] = {}
        self._ended: Counter[tuple[KindKey, TrialState]] = Counter()
        for cell in cells if looks else ():
            self._kinds.setdefault(cell.trial_id, []).append(cell.kind)
            self._ended[cell.kind, ledger.record(cell.trial_id).state] += 1
        self._blocks_of: dict[str, list[BlockKey]] = {}
        for key, block in self._blocks.items():
            for trial_id in block.first([len(row) for row in block.trials]):
                self._blocks_of.setdefault(trial_id, []).append(key)
        self._progress: dict[BlockKey, BlockProgress] = {}
        self._wanted: set[str] = set()
        self._pending: dict[BlockKey, set[str]] = {}  # trials that the next look at a block waits for
        self._may_follow: dict[BlockKey, int] = {}
        self._following = 0
        self._open: set[BlockKey] = set()
        for key in self._blocks:
            self._look_at(key)

    def wants(self, trial_id: str) -> bool:
        """Whether the trial is wanted so far, further than its rows show."""
        if self._tuned:
            return self._tuned.wants(trial_id)
        return self._looks is None or trial_id in self._wanted

    @property
    def tuned(self) -> TunedCells | None:
        """The candidates, in a tuned sweep."""
        return self._tuned

    def counts(self, cell: Cell) -> bool:
        """Whether a cell belongs to the study as it stands: not if it is of a candidate that is not tried or chosen."""
        return self._tuned is None or self._tuned.counts(cell)

    def compared(self) -> Iterator[Cell]:
        """One cell for each point of the comparison; in a tuned sweep, that of the winner once it is known."""
        return (cell for cell in self._cells if self._tuned is None or self._tuned.represents_point(cell))

    @property
    def stopped(self) -> int:
        """How many candidates of the tuning go no further."""
        return self._tuned.stopped if self._tuned else 0

    def until(self, trial_id: str) -> int | None:
        """The epoch until which the trial is wanted; None = to its end."""
        return self._tuned.until(trial_id) if self._tuned else None

    def eliminated(self, trial_id: str | None = None) -> Iterator[str]:
        """The stopped trials that never go on, of those decided with this trial, or of all."""
        return self._tuned.eliminated(trial_id) if self._tuned else iter(())

    def ended(self, trial_id: str) -> tuple[str, ...]:
        """Take the looks that the end of this trial allows; returns the trials that are wanted from now on."""
        if self._tuned:
            return self._tuned.ended(trial_id)
        state = self._ledger.record(trial_id).state
        if self._looks is None or state is TrialState.WAITING:
            return ()
        found: list[str] = []
        for key in self._blocks_of[trial_id]:
            self._pending[key].discard(trial_id)
            # Without stops every trial is wanted at once, and looks do not wait for all of them.
            if not self._pending[key] or not self._looks.stops:
                found += self._look_at(key)
        for kind in self._kinds[trial_id]:
            before = self._is_held_back(kind)
            self._ended[kind, state] += 1
            if self._is_held_back(kind) != before:
                for key in self._blocks:
                    if (key[0], key[2]) == (kind[0], kind[2]):
                        found += self._look_at(key)
        return tuple(found)

    def _is_held_back(self, kind: KindKey) -> bool:
        finished = self._ended[kind, TrialState.DONE] + self._ended[kind, TrialState.DIVERGED]
        return is_held_back(given_up=self._ended[kind, TrialState.FAILED], finished=finished)

    def may_want_more(self) -> bool:
        """Whether any look or decision is still to be taken."""
        return self._tuned.may_want_more() if self._tuned else bool(self._open)

    def may_follow(self) -> int:
        """How many trials the next looks may ask for at most; one that two blocks share may count twice."""
        return self._tuned.may_follow() if self._tuned else self._following

    def at_most(self, left: Iterable[Cell]) -> list[Cell]:
        """Of the cells that are left, those that are wanted, or would be if no look settled anything any more.

        A candidate of the tuning has as many epochs as it is still expected to train.
        """
        if self._tuned:
            epochs = self._tuned.expected()
            return [with_epochs(cell, epochs[cell.trial_id]) for cell in left if epochs.get(cell.trial_id)]
        if self._looks is None:
            return list(left)
        most = {
            trial_id
            for key, block in self._progress.items()
            for trial_id in self._blocks[key].first(block.most_wanted.tolist())
        }
        return [cell for cell in left if cell.trial_id in most]

    def decisions(self, trial_id: str | None = None) -> Iterator[BlockDecision]:
        """The decisions on the blocks of this trial, or on all, in the order of the looks of each block."""
        for key in self._blocks if trial_id is None else self._blocks_of.get(trial_id, ()):
            block = self._blocks[key]
            for decision in self._progress[key].decisions:
                row, wanted = block.trials[decision.template], self._progress[key].wanted[decision.template]
                spared = 0 if decision.is_open else sum(map(self._is_untrained, filter(None, row[wanted:])))
                yield BlockDecision(
                    block=key, template=block.templates[decision.template], decision=decision, spared=spared
                )

    def _is_untrained(self, trial_id: str) -> bool:
        return not self._ledger.record(trial_id).finished

    def certain(self) -> int:
        """How many trials are still wanted in blocks without looks left."""
        return sum(len(self._pending[key]) for key in self._blocks.keys() - self._open)

    def open_blocks(self) -> Iterator[tuple[Values, Flags, Flags]]:
        """Of each block with looks left: its accuracies, which trials have ended, and which cells it has."""
        import numpy as np

        for key, block in self._blocks.items():
            if not self._progress[key].ended:
                planned = np.array([[trial is not None for trial in row] for row in block.trials])
                yield *_known(block, self._ledger), planned

    def comparisons(self) -> int:
        """How many templates are compared with base, over all blocks."""
        return sum(len(block.templates) - 1 for block in self._blocks.values() if block.templates[0] == BASE)

    def _look_at(self, key: BlockKey) -> list[str]:
        """Take the looks at a block that can be taken; returns the trials that are wanted from now on."""
        assert self._looks is not None
        block = self._blocks[key]
        held_back = [self._is_held_back((key[0], template, key[2], COMPARED, "")) for template in block.templates]
        self._progress[key] = found = _progress(block, self._looks, self._ledger, held_back)
        new = [each for each in dict.fromkeys(block.first(found.wanted.tolist())) if each not in self._wanted]
        self._wanted.update(new)
        asked = block.first(0 if out else count for out, count in zip(held_back, found.wanted.tolist(), strict=True))
        self._pending[key] = {each for each in asked if self._ledger.record(each).state is TrialState.WAITING}
        following = len(set(block.first(found.next_wanted.tolist())) - self._wanted)
        self._following += following - self._may_follow.get(key, 0)
        self._may_follow[key] = following
        if found.ended:
            self._open.discard(key)
        else:
            self._open.add(key)
        return new


def _blocks(cells: Sequence[Cell]) -> dict[BlockKey, _Block]:
    trials: dict[BlockKey, dict[tuple[str, int], str]] = {}
    for cell in cells:
        trials.setdefault(cell.block, {})[cell.template, cell.spec.seed] = cell.trial_id
    seeds = sorted({cell.spec.seed for cell in cells})
    found = {}
    for key, of_block in trials.items():
        templates = sorted({template for template, _ in of_block}, key=lambda name: (name != BASE, name))
        rows = tuple(tuple(of_block.get((template, seed)) for seed in seeds) for template in templates)
        found[key] = _Block(templates=tuple(templates), trials=rows)
    return found


def _progress(block: _Block, looks: Looks, ledger: Ledger, held_back: Sequence[bool]) -> BlockProgress:
    """The looks at a block; without base there is nothing to settle, and every template gets the first seeds only.

    Looks do not wait for templates that are held back, because every training of theirs fails.
    """
    import numpy as np

    from analysis.statistics.sequential.looks import BlockProgress, progress

    if block.templates[0] != BASE:
        wanted = np.full(len(block.templates), looks.seeds[0] if looks.stops else looks.seeds[-1])
        return BlockProgress(decisions=(), wanted=wanted, next_wanted=wanted, most_wanted=wanted, ended=True)
    accuracies, ended = _known(block, ledger)
    ended[np.array(held_back)] = True
    seeds = sum(trial is not None for trial in block.trials[0])
    return progress(accuracies[:, :seeds], ended[:, :seeds], looks)


def _known(block: _Block, ledger: Ledger) -> tuple[Values, Flags]:
    """The accuracies of a block, NaN where there is none, and which trials have ended; of shape templates, seeds."""
    import numpy as np

    records = [[None if trial is None else ledger.record(trial) for trial in row] for row in block.trials]
    accuracies = [
        [np.nan if each is None or each.accuracy is None else each.accuracy for each in row] for row in records
    ]
    ended = [[each is None or each.state is not TrialState.WAITING for each in row] for row in records]
    return np.array(accuracies, dtype=float), np.array(ended, dtype=np.bool_)


def left_now(plan: SweepPlan, ledger: Ledger) -> list[Cell]:
    """The cells still to be run, as far as the looks have asked for them."""
    wanted = WantedCells(plan.cells, plan.looks, ledger, plan.tuning)
    return [cell for cell in ledger.left(plan.cells) if wanted.wants(cell.trial_id)]


def left_at_most(plan: SweepPlan, ledger: Ledger) -> list[Cell]:
    """The cells still to be run if no look settles anything any more."""
    return WantedCells(plan.cells, plan.looks, ledger, plan.tuning).at_most(ledger.left(plan.cells))
