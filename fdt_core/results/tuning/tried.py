"""Which candidates a group trains: all, or with TPE, those that it has been asked for so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fdt_core.results.tuning import Course, Tuning


def has_result(courses: Sequence[Course]) -> bool:
    """Whether a training of the candidate has reached a rung, or has ended without."""
    return any(course.scores or course.ended for course in courses)


def tried_candidates(tried: Sequence[str], courses: Mapping[str, Sequence[Course]], tuning: Tuning) -> tuple[str, ...]:
    """The candidates that a group trains, in the order asked for.

    A batch is asked for when all candidates of those before it have ended their first rung. So the same results give
    the same candidates, in whatever order they arrive.

    A candidate that has a result takes the place of one that is asked for and has none. Without this, a retry of a
    failed candidate, or another version of Optuna, would ask for others, and a group would train more than its share.

    Args:
        tried: those known already; at first, none.
        courses: the trainings of each candidate of the plan, one for each seed.
        tuning: how the plan tunes.

    Raises EnvironmentProblem if Optuna is needed and not installed.
    """
    tpe, names = tuning.tpe, tuning.candidates
    if tpe is None:
        return tuple(courses)
    found = list(tried or names[: tpe.batch])
    while len(found) < tpe.trials and all(_ended_first_rung(courses[name]) for name in found):
        scores = {index: _first_score(courses[name]) for index, name in enumerate(names) if name in found}
        count = min(tpe.batch, tpe.trials - len(found))
        asked = [names[index] for index in tpe.ask(scores, count)]
        known = [name for name in names if has_result(courses[name]) and name not in found]
        every = [*asked, *(name for name in known if name not in asked)]
        batch = sorted(every, key=lambda name: (name not in known, name not in asked))[:count]
        found += [name for name in every if name in batch]
    return tuple(found)


def _ended_first_rung(courses: Sequence[Course]) -> bool:
    return all(course.scores or course.ended for course in courses)


def _first_score(courses: Sequence[Course]) -> float | None:
    if not all(course.scores for course in courses):
        return None
    return math.fsum(course.scores[0].accuracy for course in courses) / len(courses)
