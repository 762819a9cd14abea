"""Multiple comparisons with the best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics.accuracies import Accuracies
from analysis.statistics.best import compared_with_the_best
from tests.analysis.statistics.simulated import accuracies_of, study


def test_two_templates_are_a_one_sided_test_each_way() -> None:
    """For two, the interval of the difference is that of a one-sided t test on the side where it excludes zero."""
    paired = np.array([0.5, 0.7, 0.9])
    base = np.array([90.0, 91.0, 89.5])
    found = compared_with_the_best(accuracies_of(np.stack([base, base + paired])[np.newaxis]))
    found = found.set_index("template")
    error = paired.std(ddof=1) / np.sqrt(3)
    reach = stats.t.isf(0.05, 2) * error
    assert found.loc["a", "ahead"] == pytest.approx(0.7)
    assert found.loc["a", "high"] == pytest.approx(0.7 + reach, rel=1e-4)
    assert (found.loc["a", "low"], found.loc["base", "high"]) == (0.0, 0.0)
    assert found["candidate"].to_dict() == {"base": False, "a": True}


def test_the_reach_is_that_of_one_sided_dunnett() -> None:
    values = np.random.default_rng(0).normal(90, 1, size=(1, 6, 3))
    found = compared_with_the_best(accuracies_of(values, models=1)).set_index("template")
    means = values[0].mean(axis=1)
    residuals = values[0] - values[0].mean(axis=1, keepdims=True) - values[0].mean(axis=0) + values.mean()
    reach = 2.5623 * np.sqrt((residuals**2).sum() / 10 * 2 / 3)
    others = [np.delete(means, number).max() for number in range(6)]
    assert found["ahead"].to_numpy() == pytest.approx(means - others)
    assert found["high"].to_numpy() == pytest.approx(np.maximum(means - others + reach, 0), rel=1e-3)


def test_a_clear_winner_is_the_only_candidate() -> None:
    effects = np.array([0.0, 10.0, 0.0, 0.0, 0.0, 0.0])
    found = compared_with_the_best(study(np.random.default_rng(0), seeds=3, effects=effects))
    assert found[found["candidate"]]["template"].tolist() == ["a", "a"]
    assert (found[found["candidate"]]["low"] == 0).all()


def test_templates_that_are_equal_are_all_candidates() -> None:
    found = compared_with_the_best(study(np.random.default_rng(3), seeds=3))
    assert found["candidate"].all()


def test_a_missing_bad_seed_wins_nothing() -> None:
    """On the seeds that both have, a is ahead of b; the mean of b alone is higher."""
    values = np.array([[[90.0, 91.0, 80.0], [90.3, 91.31, 80.29], [90.2, 91.19, np.nan]]])
    found = compared_with_the_best(accuracies_of(values, models=1)).set_index("template")
    assert found["ahead"].idxmax() == "a"


def test_a_study_without_base_is_compared_like_any_other() -> None:
    """So is one whose base failed, and one beside a model that has base."""
    values = np.random.default_rng(5).normal(90, 1, size=(4, 4, 3))
    alone = compared_with_the_best(accuracies_of(values[:, 1:], models=1))
    without = values.copy()
    without[:, 0] = np.nan
    found = compared_with_the_best(accuracies_of(without, models=1))
    assert found["template"].tolist() == ["a", "b", "c"]
    for name in ("ahead", "low", "high", "candidate"):
        assert found[name].tolist() == pytest.approx(alone[name].tolist(), rel=1e-3)
    # On the seeds that both have, a is ahead of b; the mean of b alone is higher.
    missing = np.array([[[np.nan] * 3, [90.3, 91.31, 80.29], [90.2, 91.19, np.nan]]])
    found = compared_with_the_best(accuracies_of(missing, models=1)).set_index("template")
    assert found["ahead"].idxmax() == "a"


def test_templates_of_another_kind_are_not_compared() -> None:
    data = study(np.random.default_rng(0), seeds=3)
    kinds = data.kinds.copy()
    kinds[:, 2] = 1
    found = compared_with_the_best(replace(data, kinds=kinds))
    assert set(found["template"]) == {"base", "a", "c", "d", "e"}


def test_studies_without_errors_have_no_candidates() -> None:
    found = compared_with_the_best(accuracies_of(np.full((1, 3, 1), 90.0)))
    assert not found["candidate"].any()
    assert found["high"].isna().all()
    empty = pd.DataFrame(columns=["run", "model", "width", "variant", "dataset"])
    nothing = Accuracies(
        axis="template",
        keys=empty,
        treatments=("base",),
        values=np.empty((0, 1, 0)),
        planned=np.empty((0, 1), dtype=np.bool_),
        kinds=np.empty((0, 1, 0), dtype=np.int64),
    )
    assert compared_with_the_best(nothing).empty
