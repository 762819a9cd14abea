"""How many seeds would separate two templates."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.seeds_needed import MOST, detectable_effect, seeds_needed


@pytest.mark.parametrize("effect", [0.6, 1.0, 2.0])
def test_with_the_seeds_needed_the_test_has_the_promised_power(effect: float) -> None:
    seeds = int(seeds_needed(effect))
    rng = np.random.default_rng(seeds)

    def found(count: int) -> float:
        samples = rng.normal(effect, 1.0, size=(2500, count))
        return float(np.mean(stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05))

    assert found(seeds) >= 0.77
    assert found(seeds - 1) < 0.83


def test_known_values() -> None:
    """For an effect of 0.5 a paired t test needs 34 pairs for 80 % power (Cohen, 1988), for 0.8 it needs 15."""
    assert seeds_needed([0.5, 0.8, -0.8]).tolist() == [34, 15, 15]


def test_no_effect_needs_more_seeds_than_are_computed() -> None:
    assert seeds_needed([0.0, 0.1]).tolist() == [np.inf, np.inf]
    assert seeds_needed(0.3) <= MOST


def test_a_stricter_level_needs_more() -> None:
    assert seeds_needed(1.0, alpha=0.05 / 40) > seeds_needed(1.0, alpha=0.05)


def test_more_seeds_find_smaller_effects() -> None:
    effects = [detectable_effect(seeds) for seeds in range(2, 30)]
    assert effects == sorted(effects, reverse=True)
    assert detectable_effect(2, alpha=1e-4) == np.inf
