"""How many seeds would separate two templates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics.differences import differences
from analysis.statistics.seeds_needed import MOST, RANGE, detectable_effect, likely_seeds, seeds_needed
from tests.analysis.statistics.simulated import study


@pytest.mark.parametrize("effect", [0.9, 1.5, 3.0])
def test_with_the_seeds_needed_the_test_has_the_promised_power(effect: float) -> None:
    """Two templates and no correction: a paired t test of differences with the standard deviation sqrt(2)."""
    seeds = int(seeds_needed(effect))
    rng = np.random.default_rng(seeds)

    def found(count: int) -> float:
        samples = rng.normal(effect, np.sqrt(2), size=(2500, count))
        return float(np.mean(stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05))

    assert found(seeds) >= 0.77
    assert found(seeds - 1) < 0.83


def test_known_values() -> None:
    """For an effect of 0.5 a paired t test needs 34 pairs for 80 % power (Cohen, 1988), for 0.8 it needs 15."""
    assert seeds_needed(np.sqrt(2) * np.array([0.5, 0.8, -0.8])).tolist() == [34, 15, 15]


def test_no_effect_needs_more_seeds_than_are_computed() -> None:
    assert seeds_needed([0.0, 0.1]).tolist() == [np.inf, np.inf]
    assert seeds_needed(0.5) <= MOST


def test_more_tests_need_more_seeds_and_more_templates_need_fewer() -> None:
    assert seeds_needed(1.5, tests=40) > seeds_needed(1.5)
    assert seeds_needed(1.5, df_per_seed=5, tests=5) < seeds_needed(1.5, tests=5)


def test_more_seeds_find_smaller_effects() -> None:
    effects = [detectable_effect(seeds) for seeds in range(2, 30)]
    assert effects == sorted(effects, reverse=True)


def test_two_pairs_promise_nothing() -> None:
    found = likely_seeds(differences(study(np.random.default_rng(0), seeds=2)))
    assert found.isna().all(axis=None)


def test_untested_differences_have_no_number() -> None:
    frame = pd.DataFrame({"effect": [np.nan, 2.0], "pairs": [3, 3], "df": [np.nan, 10.0]})
    assert likely_seeds(frame)["seeds_low"].isna().tolist() == [True, False]


@pytest.mark.oracle
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("effect", [1.0, 2.0])
def test_the_range_contains_the_number_that_is_needed(seeds: int, effect: float) -> None:
    """One block of six templates, one of which differs by `effect`: simulated as often as needed."""
    needed = float(seeds_needed(effect, df_per_seed=5, tests=5))
    rng = np.random.default_rng(seeds)
    inside = 0
    for _ in range(300):
        effects = np.array([0.0, effect, 0.0, 0.0, 0.0, 0.0])
        row = likely_seeds(differences(study(rng, seeds=seeds, effects=effects, blocks=1))).iloc[0]
        inside += row["seeds_low"] <= needed <= row["seeds_high"]
    assert inside / 300 >= RANGE - 3 * np.sqrt(RANGE * (1 - RANGE) / 300)
