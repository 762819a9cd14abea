"""The groups of a tuned run: the candidates of each, how far they got, and which one won."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fdt_core.results.columns import RECIPE_COLUMNS
from fdt_core.results.keys import cell_key
from fdt_core.results.tuning import Course, Halving, Score, Tuning, TuningGroup, halving
from fdt_core.results.tuning.courses import attempts_at, courses_of, rung_epochs
from fdt_core.results.tuning.tried import begun_candidates, has_ended_first_rung

Trial = Mapping[str, Any]
"""A planned trial, or a row of `trials`."""

PLACE = ("model", "width", "variant", "dataset", "template")
"""The columns that name a group."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A candidate in one group.

    Args:
        name: its name.
        settings: the tuned fields of the recipe, with its values.
        courses: its trainings, one for each seed.
        statuses: how the last attempt at each of them ended; None for none.
        epochs: epochs of all its trainings.
    """

    name: str
    settings: Mapping[str, Any]
    courses: tuple[Course, ...]
    statuses: tuple[str | None, ...]
    epochs: int

    @property
    def rungs(self) -> int:
        """The number of rungs that it has reached with every seed."""
        return min((len(course.scores) for course in self.courses), default=0)

    @property
    def is_waiting(self) -> bool:
        """Whether it has yet to end the first rung."""
        return not has_ended_first_rung(self.courses)

    def accuracy(self, rung: int) -> float | None:
        """Its mean validation accuracy over seeds at a rung (the first is 1); None if a seed has not reached it."""
        return self._mean(rung, lambda score: score.accuracy)

    def loss(self, rung: int) -> float | None:
        """The same of the validation loss."""
        return self._mean(rung, lambda score: score.loss)

    def _mean(self, rung: int, of: Callable[[Score], float]) -> float | None:
        if not 1 <= rung <= self.rungs:
            return None
        return statistics.fmean(of(course.scores[rung - 1]) for course in self.courses)


@dataclass(frozen=True, kw_only=True)
class TunedGroup:
    """Candidates that were compared with each other.

    Args:
        run: the run.
        model: the model; `width`, `variant` and `dataset` likewise.
        template: the template that they were trained with: base, if it is tuned for all.
        tuning: how the run tunes.
        rungs: the epochs of the rungs; the last is the end of the training.
        candidates: in the order drawn; those that TPE asked for as soon as one of their trainings has a row.
        halving: what is decided.
    """

    run: str
    model: str
    width: float
    variant: str
    dataset: str
    template: str
    tuning: Tuning
    rungs: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    halving: Halving

    @property
    def key(self) -> TuningGroup:
        """The group of the trials that its winner is for."""
        return self.tuning.group(vars(self))

    @property
    def winner(self) -> Candidate | None:
        """The chosen candidate; None before the decision, or if none has a result."""
        return next((each for each in self.candidates if each.name == self.halving.winner), None)

    @property
    def drawn(self) -> tuple[Candidate, ...] | None:
        """The candidates that every group has alike, as they were drawn: all, or with TPE, the first batch.

        None as long as one of them has yet to end its first rung.
        """
        found = tuple(each for each in self.candidates if each.name in self.tuning.drawn)
        return None if any(each.is_waiting for each in found) else found

    @property
    def place(self) -> tuple[Any, ...]:
        """The run and the values of `PLACE` of its candidates' trials."""
        return self.run, *(getattr(self, name) for name in PLACE)

    def serves(self, trial: Trial) -> bool:
        """Whether its winner is what a trial of the comparison is trained with; `trial` has its `run`, too."""
        return bool(trial["run"] == self.run and self.tuning.group(trial) == self.key)

    def count(self, status: str) -> int:
        """How many candidates have failed, have diverged, or were stopped for good; each counts once."""
        return sum(self._ended_as(candidate) == status for candidate in self.candidates)

    def _ended_as(self, candidate: Candidate) -> str | None:
        for status in ("failed", "diverged"):
            if status in candidate.statuses:
                return status
        decided = self.halving.kept
        lost = bool(decided) and candidate.name not in decided[-1]
        return "stopped" if lost and "stopped" in candidate.statuses else None


def tuned_groups(
    run: str,
    planned: Iterable[Trial],
    rows: Iterable[Trial],
    tuning: Tuning,
    fields: Sequence[str],
    forgiven: Mapping[str, int],
) -> tuple[TunedGroup, ...]:
    """The groups of a run, in the order planned.

    Args:
        run: its name.
        planned: the planned trials of tuning.
        rows: the rows of `trials`; those of other trials do not count.
        tuning: how the plan tunes.
        fields: the tuned fields of the recipe.
        forgiven: for each trial that is retried, the last attempt whose failure no longer counts.
    """
    trials, every = list(planned), list(rows)
    attempts = attempts_at(every)
    of_group: dict[TuningGroup, dict[str, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        of_group[tuning.group(trial)][trial["candidate"]].append(trial)
    found = []
    for key, planned_courses in courses_of(trials, every, tuning, forgiven).items():
        courses = {name: planned_courses[name] for name in begun_candidates(planned_courses, tuning)}
        candidates = tuple(
            _candidate(of_group[key][name], courses[name], attempts, fields)
            for name in tuning.candidates
            if name in courses
        )
        first = next(iter(of_group[key].values()))[0]
        rungs = rung_epochs(first)
        found.append(
            TunedGroup(
                run=run,
                **{name: first[name] for name in PLACE},
                tuning=tuning,
                rungs=rungs,
                candidates=candidates,
                halving=halving(courses, tuning, len(rungs)),
            )
        )
    return tuple(found)


def _candidate(
    trials: list[Trial],
    courses: Iterable[Course],
    attempts: Mapping[tuple[str, ...], list[Trial]],
    fields: Iterable[str],
) -> Candidate:
    tries = [attempts.get(cell_key(trial), []) for trial in trials]
    return Candidate(
        name=trials[0]["candidate"],
        settings={name: trials[0][name] for name in fields},
        courses=tuple(courses),
        statuses=tuple(rows[-1]["status"] if rows else None for rows in tries),
        # The later attempts at a training count the epochs of the earlier ones.
        epochs=sum(max((int(row["epochs_trained"] or 0) for row in rows), default=0) for rows in tries),
    )


def tuned_fields(trials: Iterable[Trial]) -> tuple[str, ...]:
    """The fields of the recipe in which candidates of one group differ.

    Args:
        trials: planned trials of tuning, or their rows.
    """
    seen: dict[tuple[Any, ...], dict[str, Any]] = {}
    found = set()
    for trial in trials:
        place = tuple(trial[name] for name in PLACE)
        values = {name: _hashable(trial[name]) for name in RECIPE_COLUMNS}
        first = seen.setdefault(place, values)
        found |= {name for name, value in values.items() if value != first[name]}
    return tuple(name for name in RECIPE_COLUMNS if name in found)


def _hashable(value: Any) -> Any:
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
