"""Which trainings a tuned sweep wants: candidates as far as the rungs let them go, then the comparison of the winner.

A function of the plan and the rows alone, kept up to date group by group as trials end; see `fdt_core.results.tuning`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from fdt_core.results.tuning import COMPARED, TUNED, Course, Halving, Stage, Tuning, TuningGroup, halving
from fdt_core.results.tuning.courses import Courses
from fdt_core.results.tuning.tried import tried_candidates
from orchestrator.plan.cells import Cell
from orchestrator.run.ledger import Ledger, TrialState

Choice = tuple[TuningGroup, Stage, str]
"""A group, a stage, and a candidate that the group may choose for it."""


@dataclass(kw_only=True)
class _Group:
    """The trials of a group by candidate: those that tune, and those of the comparison if the candidate wins."""

    rungs: tuple[int, ...] = ()
    tuning: dict[str, list[str]] = field(default_factory=dict)
    comparison: dict[str, list[str]] = field(default_factory=dict)


class TunedCells:
    """Which trials are wanted, and until which epoch.

    Args:
        cells: the planned cells.
        tuning: how many candidates go on.
        ledger: what is known of the trials; the caller adds rows to it.
    """

    def __init__(self, cells: Sequence[Cell], tuning: Tuning, ledger: Ledger) -> None:
        self._tuning, self._ledger = tuning, ledger
        self._groups: dict[TuningGroup, _Group] = {}
        self._groups_of: dict[str, list[TuningGroup]] = {}
        self._epochs = {cell.trial_id: cell.spec.recipe.epochs for cell in cells}
        for cell in cells:
            key = cell.group(tuning)
            group = self._groups.setdefault(key, _Group())
            trials = group.tuning if cell.stage == TUNED else group.comparison
            trials.setdefault(cell.candidate, []).append(cell.trial_id)
            if cell.stage == TUNED:
                group.rungs = cell.rungs
                self._groups_of.setdefault(cell.trial_id, []).append(key)
        self._until: dict[str, int] = {}
        self._tried: dict[TuningGroup, tuple[str, ...]] = {}
        self._halving: dict[TuningGroup, Halving] = {}
        self._eliminated: dict[TuningGroup, list[str]] = {}
        for key in self._groups:
            self._decide(key)

    def until(self, trial_id: str) -> int:
        """The epoch until which the trial is wanted so far; 0 if it is not."""
        return self._until.get(trial_id, 0)

    def wants(self, trial_id: str) -> bool:
        """Whether the trial is wanted further than its rows show."""
        return self.until(trial_id) > self._ledger.record(trial_id).trained

    def ended(self, trial_id: str) -> tuple[str, ...]:
        """Take the decisions that the end of this trial allows; returns the trials that are wanted from now on."""
        return tuple(each for key in self._groups_of.get(trial_id, ()) for each in self._decide(key))

    def eliminated(self, trial_id: str | None = None) -> Iterator[str]:
        """The stopped trials that never go on, in the groups of this trial or in all.

        With those of candidates that have come along by `--reuse`, or were tried by a former plan, and are not tried.
        """
        for key in self._groups if trial_id is None else self._groups_of.get(trial_id, ()):
            yield from self._eliminated[key]
            if self._tuning.tpe and self._halving[key].decided:
                others = self._groups[key].tuning.items()
                yield from (
                    each
                    for name, trials in others
                    if name not in self._tried[key]
                    for each in trials
                    if self._is_stopped(each)
                )

    @property
    def stopped(self) -> int:
        """How many cells of candidates go no further."""
        return sum(map(len, self._eliminated.values()))

    def groups(self) -> tuple[int, int, int]:
        """How many groups there are, how many have a winner, and how many can have none: no candidate has a result."""
        won = sum(found.winner is not None for found in self._halving.values())
        return len(self._halving), won, sum(found.decided for found in self._halving.values()) - won

    def choice(self, cell: Cell) -> Choice | None:
        """What has to be chosen for a cell to be trained; None for a cell that is trained in any case."""
        if cell.stage == TUNED and self._tuning.tpe is None:
            return None
        return cell.group(self._tuning), cell.stage, cell.candidate

    def counts(self, cell: Cell) -> bool:
        """Whether the cell is chosen, or is trained in any case."""
        choice = self.choice(cell)
        return choice is None or self.is_chosen(choice)

    def represents_point(self, cell: Cell) -> bool:
        """Whether a cell of the comparison is that of the winner; as long as there is none, of the first candidate."""
        return cell.stage == COMPARED and self.counts(cell)

    def is_chosen(self, choice: Choice) -> bool:
        """Whether a candidate is tried, or in the comparison has won; as long as none has, the first stands for it."""
        group, stage, candidate = choice
        if stage == TUNED:
            return candidate in self._tried[group]
        return candidate == (self._halving[group].winner or self._tuning.candidates[0])

    def is_open(self, choice: Choice) -> bool:
        """Whether this is of the comparison, and its group has yet to decide who wins."""
        group, stage, _ = choice
        return stage == COMPARED and not self._halving[group].decided

    @staticmethod
    def _compared(group: _Group) -> int:
        """How many cells of the comparison its winner is for."""
        return max(map(len, group.comparison.values()), default=0)

    def may_want_more(self) -> bool:
        """Whether any decision is still to be taken."""
        return any(not found.decided for found in self._halving.values())

    @property
    def not_asked(self) -> int:
        """How many trainings of candidates are still to be asked for."""
        missing = (self._missing(key) for key in self._groups)
        return sum(missing) * len(self._tuning.seeds)

    def may_follow(self) -> int:
        """How many trials the next decisions may ask for at most."""
        return sum(self._follow(key, group) for key, group in self._groups.items() if not self._halving[key].decided)

    def expected(self) -> dict[str, int]:
        """How many more epochs each trial trains in a study without failures; what is open goes as drawn.

        A candidate that had come further before a retry or more candidates opened its rung again trains no more.
        Their sum does not depend on who wins.
        """
        found: dict[str, int] = {}
        for key, group in self._groups.items():
            known = self._halving[key]
            for candidate, rung in self._expected_reach(key, group, known).items():
                for trial_id in group.tuning[candidate]:
                    found[trial_id] = max(found.get(trial_id, 0), group.rungs[rung - 1])
            if known.winner is not None or not known.decided:
                winner = known.winner or next(iter(group.comparison), "")
                found |= {each: self._epochs[each] for each in group.comparison.get(winner, ())}
        left = {each: epochs - self._ledger.record(each).trained for each, epochs in found.items()}
        return {each: epochs for each, epochs in left.items() if epochs > 0}

    def _expected_reach(self, key: TuningGroup, group: _Group, known: Halving) -> dict[str, int]:
        """The rung that each candidate reaches if those that are still in the running go as they were ranked so far."""
        reach = dict(known.reach)
        if not known.decided:
            going = known.kept[-1] if known.kept else self._candidates(key, group)
            for rung in range(len(known.kept) + 1, self._last_rung(group) + 1):
                reach |= dict.fromkeys(going, rung)
                going = going[: self._tuning.places(rung)]
        return reach

    def _missing(self, key: TuningGroup) -> int:
        """How many candidates of a group are still to be asked for."""
        return max(0, self._tuning.trials - len(self._tried[key])) if self._tuning.tpe else 0

    def _candidates(self, key: TuningGroup, group: _Group) -> tuple[str, ...]:
        """The candidates of a group. For those that are still to be asked for stand the first others of the pool."""
        tried = self._tried[key]
        others = (name for name in group.tuning if name not in tried)
        return *tried, *itertools.islice(others, self._missing(key))

    def _last_rung(self, group: _Group) -> int:
        """The rung after which a group is decided: the first from which a single candidate goes on, or the last."""
        alone = (rung for rung in range(1, len(group.rungs)) if self._tuning.places(rung) == 1)
        return next(alone, len(group.rungs))

    def _follow(self, key: TuningGroup, group: _Group) -> int:
        rung = len(self._halving[key].kept) + 1
        going = self._tuning.places(rung) if rung < self._last_rung(group) else 0
        asked = min(self._tuning.tpe.batch, self._missing(key)) if self._tuning.tpe else 0
        return max(max(going, asked) * len(self._tuning.seeds), self._compared(group))

    def _is_stopped(self, trial_id: str) -> bool:
        record = self._ledger.record(trial_id)
        return record.trained > 0 and record.state is TrialState.WAITING

    def _decide(self, key: TuningGroup) -> list[str]:
        """Take the decisions of a group that can be taken; returns the trials that are wanted from now on."""
        group = self._groups[key]
        courses: Courses = {
            candidate: [self._course(each) for each in trials] for candidate, trials in group.tuning.items()
        }
        self._tried[key] = tried = tried_candidates(courses, self._tuning)
        found = halving({name: courses[name] for name in tried}, self._tuning, len(group.rungs))
        self._halving[key] = found
        beaten = (name for name, rung in found.reach.items() if len(found.kept) >= rung)
        self._eliminated[key] = [each for name in beaten for each in group.tuning[name] if self._is_stopped(each)]
        wanted = {each: group.rungs[rung - 1] for name, rung in found.reach.items() for each in group.tuning[name]}
        if found.winner is not None:
            wanted |= {each: self._epochs[each] for each in group.comparison.get(found.winner, ())}
        new = [each for each, epoch in wanted.items() if epoch > self.until(each)]
        self._until |= {each: wanted[each] for each in new}
        return new

    def _course(self, trial_id: str) -> Course:
        record = self._ledger.record(trial_id)
        return Course(scores=record.scores, ended=record.finished or record.given_up, begun=record.attempt > 0)


def with_epochs(cell: Cell, epochs: int) -> Cell:
    """The cell as if its training had so many epochs, for estimates; it keeps its trial's id."""
    recipe = replace(cell.spec.recipe, epochs=epochs)
    return cell if recipe == cell.spec.recipe else replace(cell, spec=replace(cell.spec, recipe=recipe))
