"""Looks settle what is settled, ask for no training that they do not need, and err no more often than they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from analysis.statistics.sequential.looks import (
    PRIOR_DF,
    BlockProgress,
    limits,
    paired_errors,
    planned_looks,
    progress,
    with_error,
)
from analysis.statistics.verdicts import Verdict
from fdt_core.results.decisions import OPEN
from fdt_core.results.looks import Looks

SEEDS = (3, 5, 8, 12, 20)
LOOKS = planned_looks(SEEDS, margin=0.5, error=0.05, templates=3, blocks=1)


def block(*differences: float, spread: float = 0.3, seed: int = 0, seeds: int = 20) -> np.ndarray:
    """Accuracies of base and templates with these true differences to it."""
    means = 90.0 + np.array([0.0, *differences])
    return means[:, np.newaxis] + spread * np.random.default_rng(seed).normal(size=(len(means), seeds))


def arrived(accuracies: np.ndarray, order: np.random.Generator, at_once: int, looks: Looks = LOOKS) -> BlockProgress:
    """The progress after all wanted trainings came in one by one or in groups, in a random order."""
    has_ended = np.zeros(accuracies.shape, dtype=bool)
    known = np.full(accuracies.shape, np.nan)
    while not (found := progress(known, has_ended, looks)).ended:
        wanted = np.argwhere((np.arange(accuracies.shape[1]) < found.wanted[:, np.newaxis]) & ~has_ended)
        for place in order.permutation(wanted)[:at_once]:
            has_ended[tuple(place)], known[tuple(place)] = True, accuracies[tuple(place)]
    return found


@given(st.integers(0, 10_000), st.integers(1, 9), st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
@pytest.mark.oracle
def test_decisions_do_not_depend_on_the_order_of_arrival(seed: int, at_once: int, differences: list[float]) -> None:
    accuracies = block(*differences, seed=seed)
    first = arrived(accuracies, np.random.default_rng(seed), at_once)
    assert repr(arrived(accuracies, np.random.default_rng(seed + 1), 60)) == repr(first)


def test_a_settled_template_gets_no_further_seed_and_base_goes_on_for_the_open_ones() -> None:
    found = arrived(block(3.0, -3.0, -0.45), np.random.default_rng(0), 5)
    assert found.wanted.tolist() == [20, 3, 3, 20]
    assert [(each.look, each.template, each.verdict) for each in found.decisions[:3]] == [
        (1, 1, Verdict.SUPERIOR),
        (1, 2, Verdict.INFERIOR),
        (1, 3, Verdict.UNDECIDED),
    ]
    assert [each.look for each in found.decisions if each.template == 3] == [1, 2, 3, 4, 5]


def test_a_block_ends_as_soon_as_nothing_is_open() -> None:
    found = arrived(block(3.0, -3.0, 2.0), np.random.default_rng(0), 5)
    assert found.wanted.tolist() == [3, 3, 3, 3]
    assert found.ended
    assert all(each.verdict not in OPEN for each in found.decisions)


def test_no_look_is_taken_before_all_that_it_looks_at_has_ended() -> None:
    accuracies = block(0.0, 0.0, 0.0)
    has_ended = np.ones(accuracies.shape, dtype=bool)
    has_ended[2, 2] = False
    assert progress(accuracies, has_ended, LOOKS).decisions == ()
    has_ended[2, 2], has_ended[2, 3] = True, False  # the second look waits for it
    assert {each.look for each in progress(accuracies, has_ended, LOOKS).decisions} == {1}


def test_trainings_beyond_what_was_wanted_change_no_decision() -> None:
    accuracies = block(3.0, -0.2, 0.1, seed=3)
    alone = arrived(accuracies, np.random.default_rng(0), 4)
    every = progress(accuracies, np.ones(accuracies.shape, dtype=bool), LOOKS)
    assert repr(every) == repr(alone)
    accuracies[1, alone.wanted[1] :] += 50.0
    assert repr(progress(accuracies, np.ones(accuracies.shape, dtype=bool), LOOKS)) == repr(alone)


def test_failed_trainings_end_a_look_and_count_for_no_pair() -> None:
    accuracies = block(0.0, 0.0, 0.0)
    accuracies[1, :] = np.nan  # every training of it was given up
    accuracies[2, 1] = np.nan
    found = progress(accuracies, np.ones(accuracies.shape, dtype=bool), LOOKS)
    assert found.ended
    assert {each.verdict for each in found.decisions if each.template == 1} == {Verdict.UNTESTED}
    assert next(each.pairs for each in found.decisions if each.template == 2) == 2


def test_base_alone_has_nothing_to_settle() -> None:
    found = progress(block(), np.ones((1, 20), dtype=bool), LOOKS)
    assert (found.decisions, found.ended) == ((), True)


def test_the_levels_of_all_looks_and_comparisons_add_up_to_the_error() -> None:
    looks = planned_looks((3, 5, 8, 12, 20), margin=0.5, error=0.05, templates=5, blocks=8)
    assert 1 - (1 - 5 * sum(looks.levels)) ** 8 == pytest.approx(0.05)
    of_block = planned_looks((3, 5, 8, 12, 20), margin=0.5, error=0.05, templates=5, blocks=8, family="block")
    assert 5 * sum(of_block.levels) == pytest.approx(0.05)
    assert with_error(of_block, 0.05).levels == pytest.approx(looks.levels)
    assert planned_looks((7,), margin=0.5, error=0.05, templates=1, blocks=1).levels == pytest.approx((0.05,))


def test_p_is_the_error_at_which_the_interval_just_excludes_zero() -> None:
    looks = planned_looks((3, 6), margin=0.5, error=0.05, templates=3, blocks=2)
    for decision in progress(block(1.2, -0.8, 0.1, seed=4, seeds=6), np.ones((4, 6), dtype=bool), looks).decisions:
        if decision.p < 1:
            at_p = with_error(looks, decision.p)
            low, high = limits(
                np.array(decision.difference),
                np.array(decision.standard_error),
                decision.df,
                at_p.levels[decision.look - 1],
            )
            assert min(abs(float(low)), abs(float(high))) == pytest.approx(0.0, abs=1e-6)
        assert (decision.p < 0.05) == (decision.low > 0 or decision.high < 0)


def test_one_comparison_is_a_paired_t_test() -> None:
    accuracies = block(0.4, seed=2, seeds=6)
    found = paired_errors(accuracies)
    expected = ttest_rel(accuracies[1], accuracies[0])
    assert found.df[1] == 5
    assert found.difference[1] / found.standard_error[1] == pytest.approx(expected.statistic, rel=1e-6)


def test_the_variance_of_a_comparison_is_shrunk_towards_the_mean_of_its_block() -> None:
    accuracies = block(0.0, 0.0, 0.0, 0.0, 0.0, seed=5, seeds=7)
    own = (accuracies[1:] - accuracies[0]).var(axis=1, ddof=1)
    found = paired_errors(accuracies)
    expected = (PRIOR_DF * own.mean() + 6 * own) / (PRIOR_DF + 6)
    assert 7 * found.standard_error[1:] ** 2 == pytest.approx(expected, rel=1e-6)
    assert set(found.df[1:]) == {6 + PRIOR_DF}


def test_equal_accuracies_are_not_tested() -> None:
    found = paired_errors(np.full((3, 5), 90.0))
    assert np.isnan(found.standard_error).all()
