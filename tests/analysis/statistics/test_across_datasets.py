"""What data sets say about others like them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis import study as load
from analysis.statistics.across_datasets import differences_across_datasets
from analysis.statistics.differences import Question, differences
from tests.analysis.statistics.simulated import accuracies_of, study
from tests.analysis.synthetic import done, write_run

RANDOM = np.random.default_rng(4)


def paule_mandel(effects: np.ndarray, variances: np.ndarray) -> float:
    """The variance between data sets at which the weighted squares have their expected sum, by bisection."""
    low, high = 0.0, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        weights = 1 / (variances + middle)
        squares = (weights * (effects - np.average(effects, weights=weights)) ** 2).sum()
        low, high = (middle, high) if squares > len(effects) - 1 else (low, middle)
    return low


def test_mean_spread_and_interval_against_a_computation_by_hand() -> None:
    true = np.array([[0, 1.0], [0, 3.0], [0, -1.0], [0, 5.0], [0, 2.0]])
    data = accuracies_of(90 + true[:, :, np.newaxis] + RANDOM.normal(0, 0.3, size=(5, 2, 4)), models=1)
    row = differences_across_datasets(data).iloc[0]
    single = differences(data)
    effects, variances = single["difference"].to_numpy(), single["error"].to_numpy() ** 2 * 2 / 4
    between = paule_mandel(effects, variances)
    weights = 1 / (variances + between)
    mean = np.average(effects, weights=weights)
    error = np.sqrt((weights * (effects - mean) ** 2).sum() / (4 * weights.sum()))
    assert row["datasets"] == 5
    assert row["difference"] == pytest.approx(mean, rel=1e-4)
    assert row["spread"] == pytest.approx(np.sqrt(between), rel=1e-3)
    assert row["high"] - row["difference"] == pytest.approx(stats.t.isf(0.025, 4) * error, rel=1e-3)
    assert row["new_high"] - row["difference"] == pytest.approx(
        stats.t.isf(0.025, 3) * np.sqrt(between + error**2), rel=1e-3
    )


def test_the_models_of_a_data_set_count_once() -> None:
    """Eight models on each of three data sets say no more about a fourth data set than one."""
    by_dataset = np.repeat(np.array([1.0, 3.0, -1.0]), 8)
    values = 90 + np.stack([np.zeros(24), by_dataset], axis=1)[:, :, np.newaxis] + RANDOM.normal(0, 0.01, (24, 2, 3))
    row = differences_across_datasets(accuracies_of(values, models=8)).iloc[0]
    assert row["datasets"] == 3
    assert row["high"] - row["difference"] == pytest.approx(stats.t.isf(0.025, 2) * 2 / np.sqrt(3), rel=0.02)


def test_two_data_sets_say_nothing_about_others() -> None:
    found = differences_across_datasets(study(RANDOM, seeds=3, blocks=4))
    assert set(found["verdict"]) == {"untested"}
    assert found[["low", "high", "new_low"]].isna().all(axis=None)
    assert found["difference"].notna().all()


def test_one_side_has_no_upper_limit() -> None:
    data = study(RANDOM, seeds=3)
    both, single = (differences_across_datasets(data, Question(one_sided=side)) for side in (False, True))
    assert (single["high"] == np.inf).all()
    assert (single["low"] > both["low"]).all()


def test_a_template_of_another_run_is_no_row(tmp_path: Path) -> None:
    def run(name: str, template: str) -> Path:
        rows = [
            done(90.0 + seed / 7, template=each, dataset=dataset, seed=seed)
            for each in ("base", template)
            for dataset in ("cifar10", "cifar100", "cinic10")
            for seed in range(3)
        ]
        return write_run(tmp_path / name, rows)

    found = differences_across_datasets(load(run("one", "a"), run("two", "b")).accuracies)
    assert list(zip(found["run"], found["template"], strict=True)) == [("one", "a"), ("two", "b")]
