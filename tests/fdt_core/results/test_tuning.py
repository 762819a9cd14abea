"""Which candidates go on: decided rung by rung, from validation scores alone, in whatever order they arrive."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdt_core.results.tuning import Course, Halving, Score, Tuning, halving

NAMES = tuple("abcdefghi")
RUNGS = 3


def tuning(*, factor: int | None = 3, candidates: Sequence[str] = NAMES, seeds: int = 1) -> Tuning:
    return Tuning(candidates=tuple(candidates), seeds=tuple(range(10**6, 10**6 + seeds)), factor=factor)


def course(*accuracies: float, ended: bool = False, loss: float = 1.0) -> Course:
    return Course(scores=tuple(Score(accuracy=each, loss=loss) for each in accuracies), ended=ended)


def decided(courses: Mapping[str, Course], chosen: Tuning | None = None, rungs: int = RUNGS) -> Halving:
    return halving({name: (each,) for name, each in courses.items()}, chosen or tuning(), rungs)


def test_a_rung_waits_for_its_last_candidate_and_then_a_third_goes_on() -> None:
    first = {name: course(float(place)) for place, name in enumerate(NAMES)}
    waiting = decided({**first, "c": course()})
    assert waiting == Halving(reach=dict.fromkeys(NAMES, 1), kept=(), decided=False)
    found = decided(first)
    assert found.kept == (("i", "h", "g"),)
    assert not found.decided
    assert {name for name, rung in found.reach.items() if rung == 2} == {"g", "h", "i"}
    second = decided({**first, "g": course(6, 50), "h": course(7, 40), "i": course(8, 30)})
    assert second.kept == (("i", "h", "g"), ("g",))
    assert second.winner == "g"
    assert second.reach["g"] == 2, "the only one left has won, and need not be trained to its end"


def test_without_halving_all_are_trained_to_the_end_and_the_best_wins() -> None:
    ends = {name: course(float(place)) for place, name in enumerate(NAMES)}
    found = decided(ends, tuning(factor=None), rungs=1)
    assert found.winner == "i"
    assert set(found.reach.values()) == {1}
    assert len(found.kept[0]) == len(NAMES)


def test_of_equal_accuracies_the_lower_loss_wins_and_of_equal_losses_the_one_drawn_first() -> None:
    equal = dict.fromkeys(NAMES, course(90.0))
    assert decided(equal).kept == (("a", "b", "c"),)
    assert decided({**equal, "f": course(90.0, loss=0.5)}).kept == (("f", "a", "b"),)
    assert decided({**equal, "a": course(90.0, loss=math.nan)}).kept == (("b", "c", "d"),)
    again = {**equal, "g": course(91.0, 80.0), "a": course(90.0, 80.0), "b": course(90.0, 70.0)}
    assert decided(again).winner == "a", "the order of an earlier rung decides nothing"


def test_a_candidate_that_diverged_or_was_given_up_goes_no_further_and_none_takes_more_places_for_it() -> None:
    lost = {name: course(ended=True) for name in NAMES[:8]}
    found = decided({**lost, "i": course(10.0)})
    assert found.winner == "i"
    nobody = decided({**lost, "i": course(ended=True)})
    assert nobody.winner is None
    assert nobody.decided
    half = decided({**{name: course(50.0) for name in NAMES}, "a": course(50.0, ended=True), "b": course(50.0, 60.0)})
    assert half.reach["d"] == 1, "who is in the second rung has been decided"


def test_seeds_of_a_candidate_count_together_and_one_without_a_score_is_enough_to_lose() -> None:
    two = tuning(candidates="ab", factor=None, seeds=2)
    found = halving({"a": (course(80.0), course(90.0)), "b": (course(86.0), course(86.0))}, two, 1)
    assert found.winner == "b"
    found = halving({"a": (course(80.0), course(90.0)), "b": (course(99.0), course(ended=True))}, two, 1)
    assert found.winner == "a"


@pytest.mark.parametrize(
    ("candidates", "factor", "places"), [(16, 3, [5, 1, 1]), (16, 4, [4, 1]), (5, 2, [2, 1]), (2, 3, [1])]
)
def test_the_places_of_a_rung_depend_on_the_number_of_candidates_alone(
    candidates: int, factor: int, places: list[int]
) -> None:
    chosen = tuning(candidates=[str(number) for number in range(candidates)], factor=factor)
    assert [chosen.places(rung) for rung in range(1, len(places) + 1)] == places


SCORES = st.lists(st.sampled_from([10.0, 20.0, 30.0, math.nan]), min_size=RUNGS, max_size=RUNGS)


@given(
    scores=st.lists(SCORES, min_size=2, max_size=12), factor=st.integers(2, 4), order=st.randoms(use_true_random=False)
)
def test_decisions_are_those_of_a_slow_reference_and_do_not_depend_on_the_order_of_arrival(
    scores: list[list[float]], factor: int, order: random.Random
) -> None:
    names = [f"c{number:02}" for number in range(len(scores))]
    chosen = tuning(candidates=names, factor=factor)
    courses = dict.fromkeys(names, Course())
    trained = dict.fromkeys(names, 0)
    while True:
        found = decided(courses, chosen)
        open_ = [name for name in names if found.reach[name] > len(courses[name].scores) and not courses[name].ended]
        if not open_:
            break
        name = order.choice(open_)
        trained[name] += 1
        score = scores[names.index(name)][trained[name] - 1]
        courses[name] = (
            Course(scores=courses[name].scores, ended=True)
            if math.isnan(score)
            else Course(scores=(*courses[name].scores, Score(accuracy=score, loss=0.0)))
        )
    winner, expected = reference(dict(zip(names, scores, strict=True)), factor)
    assert found.decided
    assert (found.winner, trained) == (winner, expected)


def reference(scores: Mapping[str, Sequence[float]], factor: int) -> tuple[str | None, dict[str, int]]:
    """Successive halving as a textbook has it, one rung after another, over a table of all scores."""
    trained, going = dict.fromkeys(scores, 0), list(scores)
    for rung in range(RUNGS):
        for name in going:
            trained[name] += 1
        finite = [name for name in going if not math.isnan(scores[name][rung])]
        best = sorted(finite, key=lambda name: (-scores[name][rung], name))
        going = best[: max(1, len(scores) // factor ** (rung + 1))] if rung < RUNGS - 1 else best[:1]
        if len(going) <= 1:
            break
    return (going[0] if going else None), trained
