"""Paired t tests, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.records import records
from analysis.statistics.paired import holm, paired_tests
from tests.analysis.statistics.simulated import accuracies_of

RANDOM = np.random.default_rng(5)


def test_every_column_is_that_of_scipy() -> None:
    values = RANDOM.normal(90, 1, size=(2, 3, 5))
    values[1, 2, 3] = np.nan
    found = {(row["model"], row["template"]): row for row in records(paired_tests(accuracies_of(values)))}
    for block, model in enumerate(("model0", "model1")):
        for number, template in enumerate(("a", "b"), start=1):
            paired = values[block, number] - values[block, 0]
            test = stats.ttest_1samp(paired[~np.isnan(paired)], 0.0)
            row = found[model, template]
            assert row["difference"] == pytest.approx(np.nanmean(paired))
            assert row["std"] == pytest.approx(np.nanstd(paired, ddof=1))
            assert row["p"] == pytest.approx(test.pvalue)
            assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval()))


def test_holm_multiplies_the_smallest_p_by_all_the_next_by_one_less_and_keeps_their_order() -> None:
    base = RANDOM.normal(90, 1, size=(3, 3))
    differences = np.array([[0.5, 0.6, 0.55], [0.5, 0.9, 0.7], [0.1, 0.9, -0.2]])
    found = paired_tests(accuracies_of(np.stack([base, base + differences], axis=1), models=3))
    first, second, third = found["p"]
    assert first < second < third
    assert found["p_holm"].tolist() == pytest.approx([3 * first, max(3 * first, 2 * second), max(2 * second, third)])


def test_equal_differences_and_single_seeds_are_not_tested() -> None:
    base = RANDOM.normal(90, 1, size=(2, 3))
    differences = np.array([[0.28, 0.28, 0.28], [0.3, np.nan, np.nan]])
    found = paired_tests(accuracies_of(np.stack([base, base + differences], axis=1)))
    assert found["difference"].tolist() == pytest.approx([0.28, 0.3])
    assert found[["low", "high", "p", "p_holm"]].isna().all(axis=None)


def test_holms_correction_is_that_of_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(0, 0.1, size=40)
    p[3] = p[7]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm(np.array([])).size == 0
