"""Dunnett's distribution, against scipy's and against simulated statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.many_to_one import ManyToOne


@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("treatments", [2, 5])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_p_values_are_those_of_scipys_dunnett(seeds: int, treatments: int, alternative: str) -> None:
    """Scipy tests one-way layouts, and integrates at random: with an error of about 1e-4."""
    rng = np.random.default_rng(seeds * treatments)
    samples = rng.normal(rng.normal(size=(treatments + 1, 1)), 1.0, size=(treatments + 1, seeds))
    expected = stats.dunnett(*samples[1:], control=samples[0], alternative=alternative, rng=rng)
    df = (seeds - 1) * (treatments + 1)
    found = ManyToOne(treatments=treatments, df=df, one_sided=alternative == "greater").p_values(expected.statistic)
    assert found == pytest.approx(expected.pvalue, abs=5e-4)


@pytest.mark.parametrize("df", [1, 2, 10, np.inf])
@pytest.mark.parametrize("level", [0.05, 0.001])
def test_one_treatment_is_students_t(df: float, level: float) -> None:
    assert ManyToOne(treatments=1, df=df).critical_value(level) == pytest.approx(stats.t.isf(level / 2, df), rel=1e-4)
    one_sided = ManyToOne(treatments=1, df=df, one_sided=True)
    assert one_sided.critical_value(level) == pytest.approx(stats.t.isf(level, df), rel=1e-4)


@pytest.mark.parametrize(
    ("df", "treatments", "two_sided", "one_sided"),
    [(10, 2, 2.57, 2.15), (10, 5, 2.99, 2.56), (20, 5, 2.73, 2.39), (np.inf, 9, 2.69, 2.42)],
)
def test_critical_values_are_those_of_the_tables(
    df: float, treatments: int, two_sided: float, one_sided: float
) -> None:
    """Dunnett (1955; 1964), tables for a joint confidence of 95 %."""
    assert ManyToOne(treatments=treatments, df=df).critical_value(0.05) == pytest.approx(two_sided, abs=0.011)
    single = ManyToOne(treatments=treatments, df=df, one_sided=True)
    assert single.critical_value(0.05) == pytest.approx(one_sided, abs=0.011)


def test_independent_statistics_are_corrected_as_by_sidak() -> None:
    found = ManyToOne(treatments=5, df=np.inf, correlation=0.0).critical_value(0.05)
    assert found == pytest.approx(stats.norm.isf((1 - 0.95 ** (1 / 5)) / 2), rel=1e-6)


def test_p_values_and_critical_values_agree() -> None:
    design = ManyToOne(treatments=4, df=7.5, correlation=0.3)
    levels = [0.2, 0.05, 1e-3, 1e-6]
    assert design.p_values([design.critical_value(level) for level in levels]) == pytest.approx(levels, rel=1e-6)


def test_a_smaller_correlation_is_conservative() -> None:
    values = [ManyToOne(treatments=5, df=10, correlation=rho).critical_value(0.05) for rho in (0.5, 0.4, 0.2, 0.0)]
    assert values == sorted(values)


def test_huge_statistics_have_tiny_p_values_and_no_statistic_has_none() -> None:
    found = ManyToOne(treatments=5, df=80).p_values([0.0, 12.0, -12.0, 1e9])
    assert found[0] == pytest.approx(1.0)
    assert found[1] == found[2] == pytest.approx(5 * 2 * stats.t.sf(12.0, 80), rel=0.05)
    assert 0 <= found[3] < found[1]
