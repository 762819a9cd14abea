"""From rows of `trials` to the courses of candidates, by which tuning decides."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fdt_core.results.keys import cell_key
from fdt_core.results.tuning import Course, Score, Tuning, TuningGroup
from fdt_core.trial.attempts import given_up

Row = Mapping[str, Any]

Courses = dict[str, list[Course]]
"""The trainings of each candidate, one for each seed."""


def courses_of(
    planned: Iterable[Row], rows: Iterable[Row], tuning: Tuning, forgiven: Mapping[str, int]
) -> dict[TuningGroup, Courses]:
    """How far the trainings of each group's candidates got.

    Args:
        planned: the planned trials of tuning.
        rows: rows of `trials`; those of other trials do not count.
        tuning: how the plan tunes.
        forgiven: for each trial that is retried, the last attempt whose failure no longer counts.
    """
    attempts = attempts_at(rows)
    found: dict[TuningGroup, Courses] = defaultdict(lambda: defaultdict(list))
    for trial in planned:
        course = course_of(attempts.get(cell_key(trial), ()), forgiven.get(trial["trial_id"], 0))
        found[tuning.group(trial)][trial["candidate"]].append(course)
    return {group: dict(courses) for group, courses in found.items()}


def attempts_at(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """The attempts at each trial, by the key of its cell, the first one first."""
    found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["attempt"])):
        found[cell_key(row)].append(row)
    return dict(found)


def course_of(attempts: Iterable[Row], forgiven: int = 0) -> Course:
    """How far one training got, by its attempts in order. Failures up to the attempt `forgiven` do not count.

    A candidate that goes on from a rung does so as the next attempt, so the attempt with the most rungs has them all.
    It has ended if its last attempt diverged, or failed and it was given up; else it is tried again.
    """
    every = list(attempts)
    scores = max((scores_of(row) for row in every), key=len, default=())
    if not every or every[-1]["status"] != "failed":
        return Course(scores=scores, ended=bool(every) and every[-1]["status"] == "diverged", begun=bool(every))
    failures = [row["failure_kind"] for row in every if row["status"] == "failed" and int(row["attempt"]) > forgiven]
    return Course(scores=scores, ended=given_up(failures), begun=True)


def scores_of(row: Row) -> tuple[Score, ...]:
    """The validation scores of a row of `trials` at the rungs that its training reached."""
    accuracies, losses = row.get("rung_accuracies"), row.get("rung_losses")
    if accuracies is None or losses is None:
        return ()
    return tuple(
        Score(float(accuracy), math.nan if loss is None else float(loss))
        for accuracy, loss in zip(accuracies, losses, strict=True)
    )


def rung_epochs(trial: Row) -> tuple[int, ...]:
    """The epochs of the rungs of a planned trial of tuning; the last is the end of its training."""
    return (*(int(epoch) for epoch in trial["evaluate_at"]), int(trial["epochs"]))
