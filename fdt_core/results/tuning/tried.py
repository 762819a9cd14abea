"""Which candidates a group trains: all, or with TPE, those that it has been asked for so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fdt_core.results.tuning import Course, Tuning


def has_ended_first_rung(courses: Sequence[Course]) -> bool:
    """Whether all trainings of a candidate have reached their first rung, or have ended before."""
    return all(course.scores or course.ended for course in courses)


def begun_candidates(courses: Mapping[str, Sequence[Course]], tuning: Tuning) -> tuple[str, ...]:
    """The candidates that a group is known to train from its results alone: all, or with TPE, its first batch.

    Others that TPE has asked for follow as soon as one of their trainings has a row; never more than the group's share.
    """
    if tuning.tpe is None:
        return tuple(courses)
    others = tuning.candidates[len(tuning.drawn) :]
    begun = [name for name in others if any(course.begun for course in courses[name])]
    return (*tuning.drawn, *begun)[: tuning.trials]


def tried_candidates(courses: Mapping[str, Sequence[Course]], tuning: Tuning) -> tuple[str, ...]:
    """The candidates that a group trains.

    A batch is asked for when all candidates of those before it have ended their first rung. So the same results give
    the same candidates, in whatever order they arrive.

    A candidate that has a row is always among them, as far as the group's share goes, and takes the place of one that
    is asked for and has none. Without this, a retry of a failed candidate, or another version of Optuna, would ask for
    others, and a group would train more than its share.

    Args:
        courses: the trainings of each candidate of the plan, one for each seed.
        tuning: how the plan tunes.

    Raises EnvironmentProblem if Optuna is needed and not installed.
    """
    begun, tpe = begun_candidates(courses, tuning), tuning.tpe
    if tpe is None:
        return begun
    tried, asked = dict.fromkeys(begun), dict.fromkeys(tuning.drawn)
    while len(tried) < tpe.trials and all(has_ended_first_rung(courses[name]) for name in asked):
        scores = {index: _first_score(courses[name]) for index, name in enumerate(tuning.candidates) if name in asked}
        for name in [tuning.candidates[index] for index in tpe.ask(scores, tpe.batch)]:
            if name in begun or len(tried) < tpe.trials:
                tried[name] = asked[name] = None
    return tuple(tried)


def _first_score(courses: Sequence[Course]) -> float | None:
    if not all(course.scores for course in courses):
        return None
    return math.fsum(course.scores[0].accuracy for course in courses) / len(courses)
