"""From rows to the courses of candidates."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fdt_core.results.tuning import Course, Score, Tuning
from fdt_core.results.tuning.courses import course_of, courses_of, rung_epochs

TUNING = Tuning(candidates=("x", "y"), seeds=(7, 8), factor=2)


def trial(candidate: str, seed: int, template: str = "base") -> dict[str, Any]:
    named = {"model": "m", "width": 1.0, "variant": "", "dataset": "d", "template": template, "sweep": "s"}
    return {
        **named,
        "trial_id": f"{candidate}{seed}{template}",
        "budget_rule": "nearest",
        "candidate": candidate,
        "evaluate_at": [2, 4],
        "epochs": 8,
    }


def row(attempt: int, status: str, *accuracies: float, **given: Any) -> dict[str, Any]:
    losses = [1 - accuracy / 100 for accuracy in accuracies]
    scores = {"rung_accuracies": list(accuracies), "rung_losses": losses}
    return {"attempt": attempt, "status": status, **scores, **given}


def test_a_training_without_a_row_waits() -> None:
    assert course_of([]) == Course()


def test_the_attempt_with_the_most_rungs_counts() -> None:
    course = course_of([row(1, "stopped", 50.0), row(2, "stopped", 50.0, 60.0)])
    assert course == Course(scores=(Score(50.0, 0.5), Score(60.0, 0.4)), begun=True)


def test_a_failure_without_scores_ends_a_training_that_keeps_its_rungs() -> None:
    failed = {"attempt": 2, "status": "failed", "rung_accuracies": None, "rung_losses": None, "failure_kind": "crash"}
    assert course_of([row(1, "stopped", 50.0), failed]) == Course(scores=(Score(50.0, 0.5),), ended=True, begun=True)


def test_a_failure_that_is_tried_again_ends_nothing() -> None:
    first, second = (row(number, "failed", failure_kind="error") for number in (1, 2))
    assert not course_of([first]).ended
    assert course_of([first, second]).ended


def test_failures_that_a_retry_has_forgiven_end_nothing() -> None:
    rows = [row(number, "failed", failure_kind="error") for number in (1, 2, 3)]
    assert not course_of(rows[:2], forgiven=2).ended
    assert not course_of(rows, forgiven=2).ended, "it is tried once more"
    assert course_of(rows, forgiven=1).ended


def test_a_retry_goes_on_after_a_failure() -> None:
    assert not course_of([row(1, "failed", failure_kind="error"), row(2, "stopped", 50.0)]).ended
    assert course_of([row(1, "stopped", 50.0), row(2, "diverged", 50.0)]).ended


def test_a_loss_that_is_null_is_no_number() -> None:
    (score,) = course_of([row(1, "stopped", 50.0) | {"rung_losses": [None]}]).scores
    assert math.isnan(score.loss)


@given(st.permutations([(1, "stopped"), (2, "failed"), (3, "stopped"), (4, "done")]))
def test_the_order_of_rows_does_not_matter(attempts: list[tuple[int, str]]) -> None:
    planned = [trial("x", 7)]
    rows = [planned[0] | row(number, status, *[50.0] * number, failure_kind="error") for number, status in attempts]
    (courses,) = courses_of(planned, rows, TUNING, {}).values()
    assert courses == {"x": [Course(scores=(Score(50.0, 0.5),) * 4, begun=True)]}


def test_groups_have_a_course_for_each_candidate_and_seed() -> None:
    planned = [trial(name, seed, template) for template in ("base", "a") for name in "xy" for seed in TUNING.seeds]
    rows = [trial("y", 8, "a") | row(1, "stopped", 50.0), trial("gone", 7) | row(1, "done", 99.0)]
    found = courses_of(planned, rows, TUNING, {})
    assert list(found) == [("m", 1.0, "", "d", "base"), ("m", 1.0, "", "d", "a")]
    begun = Course(scores=(Score(50.0, 0.5),), begun=True)
    assert found["m", 1.0, "", "d", "a"] == {"x": [Course()] * 2, "y": [Course(), begun]}


def test_the_last_rung_is_the_end_of_the_training() -> None:
    assert rung_epochs(trial("x", 7)) == (2, 4, 8)
