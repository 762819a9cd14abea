"""Which candidates a group trains with TPE: batch by batch, by the scores of those before, and never too many."""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.errors import EnvironmentProblem
from fdt_core.results.tuning import Course, Score, Tuning
from fdt_core.results.tuning.tpe import POOL, Tpe
from fdt_core.results.tuning.tried import begun_candidates, tried_candidates

TRIALS = 16
BATCH = 4


def points(seed: int, choices: tuple[int, ...] = (0, 0)) -> tuple[tuple[float, ...], ...]:
    drawn = random.Random(seed)
    return tuple(
        tuple(float(drawn.randrange(count)) if count else drawn.random() for count in choices)
        for _ in range(TRIALS * POOL)
    )


def tuning(seed: int = 0, choices: tuple[int, ...] = (0, 0), seeds: int = 1) -> Tuning:
    tpe = Tpe(trials=TRIALS, seed=seed, points=points(seed, choices), choices=choices)
    names = tuple(f"c{number:02}" for number in range(TRIALS * POOL))
    return Tuning(candidates=names, seeds=tuple(range(seeds)), factor=3, tpe=tpe)


def scored(accuracy: float) -> Course:
    return Course(scores=(Score(accuracy, 1.0),), begun=True)


LOST = Course(ended=True, begun=True)


def smooth(of: Tuning, seed: int) -> dict[str, float]:
    """Accuracies of a smooth function of the fields, with noise, by candidate."""
    drawn = random.Random(f"accuracies {seed}")
    best = (drawn.random(), drawn.random())
    assert of.tpe is not None
    return {
        name: 95 - 60 * (x - best[0]) ** 2 - 15 * (y - best[1]) ** 2 + drawn.gauss(0, 0.5)
        for name, (x, y) in zip(of.candidates, of.tpe.points, strict=True)
    }


def all_tried(
    of: Tuning, found: Mapping[str, float], order: random.Random | None = None, known: Iterable[str] = ()
) -> tuple[str, ...]:
    """The candidates tried when all have ended, one after another in the order of the plan, or in a random one.

    The decision is taken anew each time, as by a driver that has just started. What it asks for is never taken back.

    Args:
        of: how to tune.
        found: what each candidate reaches.
        order: of arrival.
        known: candidates that have a result beforehand.
    """
    courses = {name: [scored(found[name]) if name in known else Course()] for name in of.candidates}
    tried: tuple[str, ...] = ()
    while True:
        before, tried = tried, tried_candidates(courses, of)
        assert set(before) <= set(tried)
        left = sorted(name for name in tried if not courses[name][0].scores)
        if not left:
            return tried
        name = order.choice(left) if order else left[0]
        courses[name] = [scored(found[name])]


def test_the_first_batch_is_as_drawn_and_another_is_asked_for_once_it_has_ended() -> None:
    of = tuning()
    courses = {name: [Course()] for name in of.candidates}
    first = tried_candidates(courses, of)
    assert first == of.candidates[:BATCH]
    for name in first[1:]:
        courses[name] = [scored(50.0)]
    assert tried_candidates(courses, of) == first
    courses[first[0]] = [LOST]
    second = tried_candidates(courses, of)
    assert second[:BATCH] == first
    assert len(set(second)) == 2 * BATCH


@given(seed=st.integers(0, 10**6), known=st.integers(0, TRIALS))
@settings(max_examples=20, deadline=None)
def test_the_same_scores_ask_for_the_same_candidates_in_any_order_of_arrival_and_no_group_trains_more_than_its_share(
    seed: int, known: int
) -> None:
    """Also if some have results already, as after a retry, or with another version of Optuna that asked for others."""
    of = tuning(seed)
    found, order = smooth(of, seed), random.Random(seed)
    before = order.sample(of.candidates, known)
    tried = all_tried(of, found, known=before)
    assert len(tried) == TRIALS
    assert {*all_tried(of, found, order, known=before)} == {*tried}
    assert {*tried} >= {*before} or known > TRIALS - BATCH
    courses = {name: [scored(found[name]) if name in tried else Course()] for name in of.candidates}
    assert {*begun_candidates(courses, of)} == {*tried}, "who reads the rows alone knows the same candidates"


def test_with_more_results_than_its_share_a_group_has_the_first_of_them_and_needs_no_optuna(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    of = tuning()
    courses = {name: [scored(50.0)] for name in of.candidates}
    assert tried_candidates(courses, of) == begun_candidates(courses, of) == of.candidates[:TRIALS]


def test_a_candidate_that_is_tried_again_keeps_its_place() -> None:
    of = tuning()
    found = smooth(of, 0)
    tried = all_tried(of, found)
    courses = {name: [scored(found[name]) if name in tried else Course()] for name in of.candidates}
    again = {name: [Course(begun=True)] for name in (tried[0], tried[-1])}
    assert {*tried_candidates(courses | again, of)} == {*tried}


def test_sixteen_candidates_of_tpe_find_better_ones_than_sixteen_drawn_at_random() -> None:
    gains = []
    for seed in range(20):
        of = tuning(seed)
        found = smooth(of, seed)
        by_tpe, at_random = all_tried(of, found), of.candidates[:TRIALS]
        gains.append(max(found[name] for name in by_tpe) - max(found[name] for name in at_random))
    assert statistics.mean(gains) > 0.15
    assert sum(gain >= 0 for gain in gains) >= 14


def test_values_of_a_list_that_do_well_are_asked_for_more_often() -> None:
    of = tuning(choices=(0, 4))
    assert of.tpe is not None
    value = dict(zip(of.candidates, (point[1] for point in of.tpe.points), strict=True))
    found = {name: 90.0 if value[name] == 2.0 else 10.0 for name in of.candidates}
    asked = [name for name in all_tried(of, found) if name not in of.candidates[:BATCH]]
    assert sum(value[name] == 2.0 for name in asked) > len(asked) / 3, "a fourth has this value"


def test_a_candidate_without_a_result_is_the_worst_and_seeds_count_by_their_mean() -> None:
    """Whatever a lost candidate is given must not be mistaken for a good score, also where all scores are negative."""
    of = tuning(seeds=2)
    assert of.tpe is not None
    near = min(of.candidates[:BATCH], key=lambda name: point(of, name)[0])
    lost = {name: [LOST, scored(99.0)] for name in of.candidates[:BATCH] if name != near}
    courses = {name: [Course(), Course()] for name in of.candidates} | lost | {near: [scored(10.0), scored(30.0)]}
    best = {name: [scored(0.0), scored(0.0)] for name in lost}
    asked = tried_candidates(courses, of)
    assert asked == tried_candidates(courses | best, of)
    assert asked != tried_candidates(courses | {name: [scored(80.0), scored(80.0)] for name in lost}, of)


def point(of: Tuning, name: str) -> tuple[float, ...]:
    assert of.tpe is not None
    return of.tpe.points[of.candidates.index(name)]


def test_without_tpe_all_candidates_are_tried() -> None:
    of = Tuning(candidates=("x", "y"), seeds=(0,))
    assert tried_candidates({"x": [Course()], "y": [Course()]}, of) == ("x", "y")


def test_without_optuna_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    of = tuning()
    courses = {name: [scored(50.0)] for name in of.candidates}
    courses = {name: courses[name] if name in of.candidates[:BATCH] else [Course()] for name in of.candidates}
    with pytest.raises(EnvironmentProblem, match=r"pip install 'fdt-sweep\[tpe\]'"):
        tried_candidates(courses, of)


def test_a_plan_whose_pool_does_not_fit_is_refused() -> None:
    for trials, names in ((TRIALS, 8), (100, TRIALS * POOL)):
        tpe = Tpe(trials=trials, seed=0, points=points(0), choices=(0, 0))
        with pytest.raises(ValueError, match="a point for each candidate"):
            Tuning(candidates=tuple(map(str, range(names))), seeds=(0,), tpe=tpe)
