"""Expected validation accuracy by the number of candidates, against all choices of them and against known values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from analysis.tuning.expected_best import RESAMPLES, expected_best, reach, resampled_best

ACCURACIES = st.lists(st.floats(0, 100), min_size=1, max_size=7)


@given(ACCURACIES)
@settings(max_examples=60, deadline=None)
def test_it_is_the_mean_of_the_best_over_all_choices(scores: list[float]) -> None:
    expected = [
        np.mean([max(chosen) for chosen in itertools.combinations(scores, size)]) for size in range(1, len(scores) + 1)
    ]
    assert expected_best(np.array(scores)) == pytest.approx(expected)


@given(ACCURACIES)
@settings(max_examples=60, deadline=None)
def test_it_rises_from_the_mean_to_the_highest(scores: list[float]) -> None:
    found = expected_best(np.array(scores))
    assert found[0] == pytest.approx(np.mean(scores))
    assert found[-1] == pytest.approx(max(scores))
    assert (np.diff(found) >= -1e-9).all()


def test_of_the_ranks_it_is_a_known_fraction() -> None:
    """The highest of b of the numbers 1 to K is b (K + 1) / (b + 1) in the mean."""
    for count in (1, 2, 5, 300):
        sizes = np.arange(1, count + 1)
        assert expected_best(np.arange(1.0, count + 1)) == pytest.approx(sizes * (count + 1) / (sizes + 1))


def test_it_is_unbiased_and_choices_with_replacement_are_not() -> None:
    """Of uniform scores, the highest of b is b / (b + 1) in the mean."""
    count, studies = 6, 4000
    scores = np.random.default_rng(3).uniform(size=(studies, count))
    sizes = np.arange(1, count + 1)
    found = expected_best(scores)
    tolerance = 4 * found.std(axis=0) / math.sqrt(studies)
    assert (np.abs(found.mean(axis=0) - sizes / (sizes + 1)) < tolerance).all()
    ranks = np.arange(count + 1) / count
    dodge = np.sort(scores, axis=1) @ (ranks[1:, None] ** sizes - ranks[:-1, None] ** sizes)
    assert (dodge.mean(axis=0)[1:] < (sizes / (sizes + 1) - tolerance)[1:]).all()


def test_resamples_are_paired_and_always_the_same() -> None:
    scores = np.array([[50.0, 60.0, 70.0, 65.0], [52.0, 62.0, 72.0, 67.0]])
    resampled = resampled_best(scores)
    assert resampled.shape == (RESAMPLES, 2, 4)
    assert resampled[:, 1] - resampled[:, 0] == pytest.approx(np.full((RESAMPLES, 4), 2.0))
    assert np.array_equal(resampled, resampled_best(scores))
    assert reach(resampled[:, 1] - resampled[:, 0]) == pytest.approx(np.zeros(4), abs=1e-9)
    assert (reach(resampled) > 0).all()


def test_the_interval_of_one_candidate_is_that_of_a_mean() -> None:
    for count in (3, 8, 200):
        scores = np.random.default_rng(count).normal(80, 3, size=(1, count))
        low, high = t.interval(0.95, count - 1, scores.mean(), scores.std(ddof=1) / math.sqrt(count))
        assert reach(resampled_best(scores))[0, 0] == pytest.approx((high - low) / 2, rel=0.05)


@pytest.mark.oracle
def test_intervals_hold_what_the_note_below_the_table_says() -> None:
    """They cover the truth in about 90 of 100 studies for few of the candidates, and in fewer near all of them."""
    rng, count, studies = np.random.default_rng(7), 16, 300
    sizes = np.array([1, 2, 4, count])
    truth = np.array([_normal_highest(size) for size in sizes])
    held = np.zeros(len(sizes))
    for _ in range(studies):
        scores = rng.normal(size=(1, count))
        distance = np.abs(expected_best(scores)[0, sizes - 1] - truth)
        held += distance <= reach(resampled_best(scores))[0, sizes - 1]
    assert held / studies == pytest.approx([0.94, 0.92, 0.88, 0.75], abs=0.04)


def _normal_highest(size: int) -> float:
    """The expected highest of so many standard normal numbers."""
    grid = np.linspace(-8, 8, 4001)
    cdf = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in grid]) ** size
    return float(np.sum((grid[1:] + grid[:-1]) / 2 * np.diff(cdf)))
