"""Paired differences, checked against known distributions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import Study
from analysis.keys import CELL
from analysis.statistics.differences import (
    differences_between_runs,
    differences_to_base,
    mean_interval,
    paired_differences,
)
from analysis.statistics.limits import statements
from tests.analysis.synthetic import done, trial_row


def outcomes(accuracy: np.ndarray, templates: list[str]) -> pd.DataFrame:
    """Outcomes from accuracies of shape data sets, templates, seeds."""
    shape = accuracy.shape
    index = pd.MultiIndex.from_product(
        [["run"], ["model"], [1.0], [f"d{i:05}" for i in range(shape[0])], templates, range(shape[2])],
        names=["run", "model", "width", "dataset", "template", "seed"],
    )
    columns = {"accuracy": accuracy.ravel(), "recipe": 0, "dataset_digest": "digest"}
    return pd.DataFrame(columns, index=index).reset_index()


def two_templates(differences: np.ndarray) -> pd.DataFrame:
    """Outcomes in which template a is above base by the given differences (shape: data sets, seeds)."""
    base = np.random.default_rng(1).normal(90, 1, size=differences.shape)
    return outcomes(np.stack([base, base + differences], axis=1), ["base", "a"])


@pytest.mark.parametrize(("seeds", "low", "high"), [(3, 0.93, 0.97), (5, 0.93, 0.97), (20, 0.91, 0.955)])
def test_intervals_cover_the_true_mean_as_often_as_promised(seeds: int, low: float, high: float) -> None:
    """Student's t is exact for normal differences; the bootstrap (from 10 seeds) is known to be a little short."""
    samples = np.random.default_rng(seeds).normal(0.3, 0.5, size=(1500, seeds))
    lower, upper = mean_interval(samples)
    assert low <= np.mean((lower < 0.3) & (upper > 0.3)) <= high


def test_the_bootstrap_adapts_to_skewed_differences_and_is_reproducible() -> None:
    samples = np.random.default_rng(0).exponential(1.0, size=(300, 30))
    lower, upper = mean_interval(samples)
    middle = samples.mean(axis=1)
    assert np.mean(upper - middle > middle - lower) > 0.9
    assert np.array_equal(mean_interval(samples)[0], lower)


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_the_test_keeps_its_level_if_there_is_no_difference(seeds: int) -> None:
    found = differences_to_base(two_templates(np.random.default_rng(seeds).normal(0, 0.3, size=(1500, seeds))))
    assert np.mean(found["p"] < 0.05) == pytest.approx(0.05, abs=0.017)


def test_holm_keeps_the_level_for_the_whole_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of families of 20 true null hypotheses, about one in twenty has a false finding; uncorrected, two in three."""
    # statsmodels collects garbage at every correction, which would take most of the time.
    monkeypatch.setattr("gc.collect", lambda: 0)
    rng = np.random.default_rng(7)
    false_findings = 0
    for _ in range(60):
        found = differences_to_base(two_templates(rng.normal(0, 0.3, size=(20, 3))))
        false_findings += bool((found["verdict"] != "not separated").any())
    assert false_findings / 60 < 0.15


def test_holm_multiplies_the_smallest_p_by_all_the_next_by_one_less_and_keeps_their_order() -> None:
    found = differences_to_base(two_templates(np.array([[0.5, 0.6, 0.55], [0.5, 0.9, 0.7], [0.1, 0.9, -0.2]])))
    first, second, third = found["p"]
    assert first < second < third
    expected = [3 * first, max(3 * first, 2 * second), max(2 * second, third)]
    assert found["p_holm"].tolist() == pytest.approx(expected)


def test_columns_agree_with_scipy_and_with_values_computed_on_paper() -> None:
    differences = np.array([[0.5, 0.7, 0.9]])
    row = differences_to_base(two_templates(differences)).iloc[0]
    expected = stats.ttest_1samp(differences[0], 0.0)
    assert row["difference"] == pytest.approx(0.7)
    assert row["std"] == pytest.approx(0.2)
    assert row["p"] == row["p_holm"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert row["verdict"] == "above"


def test_seeds_are_paired_so_that_shared_variation_cancels() -> None:
    base = np.array([[80.0, 90.0, 85.0]])
    shared = outcomes(np.stack([base, base + np.array([0.5, 0.6, 0.55])], axis=1), ["base", "a"])
    assert differences_to_base(shared)["std"].item() == pytest.approx(0.05)


def test_hedges_g_corrects_the_pooled_difference_for_few_seeds() -> None:
    """Computed on paper: the standardised difference 2, times 1 - 3 / (4 * 4 - 1) for 4 degrees of freedom."""
    values = np.array([[[90.0, 91.0, 92.0], [92.0, 94.0, 93.0]]])
    assert differences_to_base(outcomes(values, ["base", "a"]))["effect"].item() == pytest.approx(2 * 0.8)


def test_differences_without_any_spread_are_not_tested() -> None:
    """On a test set of 360 images, two seeds easily differ by the same number of images."""
    row = differences_to_base(two_templates(np.array([[0.28, 0.28]]))).iloc[0]
    assert row["verdict"] == "untested"
    assert np.isnan(row["low"])
    assert np.isnan(row["p"])


def test_only_seeds_that_both_have_are_compared(study_of: Callable[..., Study]) -> None:
    trials = [done(90.0 + seed, seed=seed) for seed in range(3)]
    trials += [done(91.0 + 1.1 * seed, seed=seed, template="a") for seed in (1, 2, 5)]
    row = differences_to_base(study_of(trials).outcomes).iloc[0]
    assert row["pairs"] == 2
    assert row["difference"] == pytest.approx(1.15)


def test_a_cell_whose_seeds_all_failed_stays_in_the_frame_untested(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), trial_row(template="a", status="failed")])
    assert differences_to_base(study.outcomes)[["pairs", "verdict"]].iloc[0].tolist() == [0, "untested"]


def test_without_base_there_is_nothing_to_compare(study_of: Callable[..., Study]) -> None:
    differences = differences_to_base(study_of([done(90.0, template="a")]).outcomes)
    assert differences.empty
    assert "nothing to compare" in statements(differences)[0]


def test_runs_are_compared_cell_by_cell() -> None:
    one, two = (two_templates(np.full((1, 3), shift)).assign(run=run) for run, shift in (("one", 0.0), ("two", 1.0)))
    two["accuracy"] += [0.1, 0.2, 0.3] * 2
    found = differences_between_runs(pd.concat([one, two]), "one").set_index("template")
    assert set(found["run"]) == {"two"}
    assert found.loc["base", "difference"] == pytest.approx(0.2)
    assert found.loc["a", "difference"] == pytest.approx(1.2)


def test_any_axis_can_be_compared() -> None:
    values = np.random.default_rng(0).normal(90, 1, size=(1, 3, 4))
    found = paired_differences(outcomes(values, ["a", "b", "c"]), axis="template", reference="b")
    assert found["template"].tolist() == ["a", "c"]
    assert list(found)[: len(CELL)] == CELL


def test_the_sentences_explain_what_three_seeds_cannot_show(paper: Study) -> None:
    text = " ".join(statements(differences_to_base(paper.outcomes)))
    assert "Of 40 differences" in text
    assert "With 3 seeds a 95 % interval reaches 2.5 standard deviations" in text
    assert "only differences above 3.3 of them" in text
    assert "'Not separated' does not mean equal" in text


def test_the_sentences_count_untested_differences() -> None:
    text = " ".join(statements(differences_to_base(two_templates(np.array([[0.28, 0.28], [0.3, np.nan]])))))
    assert "1 with fewer than two seeds in common" in text
    assert "1 whose seeds all differ by the same amount" in text
