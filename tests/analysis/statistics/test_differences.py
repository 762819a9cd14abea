"""Differences to base: estimates, simultaneous intervals and tests, against independent computations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from analysis import Study
from analysis.keys import CELL
from analysis.records import records
from analysis.statistics.differences import (
    Question,
    differences,
    differences_between_runs,
    mean_differences,
)
from analysis.statistics.limits import statements, uneven_templates
from fdt_core.results.looks import MARGIN
from tests.analysis.statistics.simulated import accuracies_of
from tests.analysis.synthetic import done, seeds_with, trial_row

StudyOf = Callable[..., Study]


def two_templates(found: np.ndarray) -> np.ndarray:
    """Accuracies in which template a is above base by these differences (shape blocks, seeds)."""
    base = np.random.default_rng(1).normal(90, 1, size=found.shape)
    return np.stack([base, base + found], axis=1)


def test_one_block_is_dunnetts_test_with_the_error_of_least_squares() -> None:
    """The error is statsmodels', the simultaneous distribution is scipy's multivariate t."""
    values = np.random.default_rng(0).normal(90, 1, size=(1, 6, 3))
    found = differences(accuracies_of(values, models=1)).set_index("template")
    rows = [{"template": t, "seed": s, "y": value} for (t, s), value in np.ndenumerate(values[0])]
    fit = ols("y ~ C(template) + C(seed)", pd.DataFrame(rows)).fit()
    joint = stats.multivariate_t(shape=np.full((5, 5), 0.5) + 0.5 * np.eye(5), df=fit.df_resid, seed=0)
    for number, template in enumerate(("a", "b", "c", "d", "e"), start=1):
        row, name = found.loc[template], f"C(template)[T.{number}]"
        assert row["difference"] == pytest.approx(fit.params[name])
        assert (row["difference"] - row["low"]) / fit.bse[name] == pytest.approx(2.9903, abs=1e-3)
        t = abs(fit.tvalues[name])
        assert row["p"] == pytest.approx(1 - joint.cdf([t] * 5, lower_limit=[-t] * 5), abs=2e-3)
        assert row["effect"] == pytest.approx(
            row["difference"] / np.sqrt(fit.mse_resid) * (1 - 3 / (4 * 10 - 1)), rel=1e-3
        )


def test_two_templates_are_a_paired_t_test() -> None:
    paired = np.array([[0.5, 0.7, 0.9]])
    row = differences(accuracies_of(two_templates(paired))).iloc[0]
    expected = stats.ttest_1samp(paired[0], 0.0)
    assert row["difference"] == pytest.approx(0.7)
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-4)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-4)
    assert row["verdict"] == "superior"


def test_the_blocks_of_a_table_are_one_family() -> None:
    """With two templates, pooled errors and two blocks: Šidák's correction of the t test with pooled variance."""
    paired = np.array([[0.1, 0.5, 0.9], [0.3, 0.8, 1.2]])
    found = differences(accuracies_of(two_templates(paired)))
    error = np.sqrt(paired.var(axis=1, ddof=1).mean() / 3)
    single = 2 * stats.t.sf(paired.mean(axis=1) / error, 4)
    assert found["p"].tolist() == pytest.approx((1 - (1 - single) ** 2).tolist(), rel=1e-4)
    reach = stats.t.isf((1 - np.sqrt(0.95)) / 2, 4) * error
    assert (found["difference"] - found["low"]).tolist() == pytest.approx([reach, reach], rel=1e-4)


def test_a_margin_and_one_side_change_the_verdict_and_not_the_difference() -> None:
    paired = np.array([[-0.3, -0.1, -0.2]])
    data = accuracies_of(two_templates(paired))
    by_margin = {margin: differences(data, Question(margin=margin)).iloc[0] for margin in (0.1, 0.3, 1.0)}
    assert [by_margin[margin]["verdict"] for margin in (0.1, 0.3, 1.0)] == ["undecided", "undecided", "equivalent"]
    single = differences(data, Question(margin=0.4, one_sided=True)).iloc[0]
    assert single["verdict"] == "non-inferior"
    assert single["high"] == np.inf
    assert single["low"] == pytest.approx(-0.2 - stats.t.isf(0.05, 2) * 0.1 / np.sqrt(3), rel=1e-4)
    assert single["low"] > by_margin[1.0]["low"]


def test_what_all_templates_share_in_a_seed_cancels() -> None:
    base = np.array([80.0, 90.0, 85.0])
    found = differences(accuracies_of(np.stack([base, base + np.array([0.5, 0.6, 0.55])])[np.newaxis]))
    assert found["own_error"].item() == pytest.approx(0.05 / np.sqrt(2))


def test_differences_without_any_spread_are_not_tested() -> None:
    """On a test set of 360 images, two seeds easily differ by the same number of images."""
    row = differences(accuracies_of(two_templates(np.array([[0.28, 0.28]])))).iloc[0]
    assert row["verdict"] == "untested"
    assert row[["low", "high", "p", "effect"]].isna().all()


def test_only_seeds_that_both_have_are_compared(study_of: StudyOf) -> None:
    """A missing bad seed must not make a template look better: all its differences, and so its effect, are positive."""
    trials = [done(value, seed=seed) for seed, value in enumerate([90.0, 91.0, 80.0])]
    trials += [done(value, seed=seed, template="a") for seed, value in enumerate([90.3, 91.31, 80.29])]
    trials += [done(value, seed=seed, template="b") for seed, value in ((0, 90.3), (2, 80.31))]
    row = study_of(trials).differences.set_index("template").loc["b"]
    assert row["pairs"] == 2
    assert row["difference"] == pytest.approx(0.305)
    assert row["effect"] > 0


def test_a_missing_seed_widens_the_interval_of_its_own_template_only() -> None:
    values = np.random.default_rng(2).normal(90, 1, size=(1, 3, 4))
    values[0, 1, 2] = np.nan
    found = differences(accuracies_of(values, models=1)).set_index("template")
    reach = (found["high"] - found["low"]) / 2
    assert reach["a"] / reach["b"] == pytest.approx(np.sqrt(4 / 3))
    assert found["own_df"].tolist() == [5, 5]


def test_a_cell_whose_seeds_all_failed_stays_in_the_frame_untested(study_of: StudyOf) -> None:
    study = study_of([done(90.0), trial_row(template="a", status="failed")])
    assert study.differences[["pairs", "verdict"]].iloc[0].tolist() == [0, "untested"]


def test_without_base_there_is_nothing_to_compare(study_of: StudyOf) -> None:
    study = study_of([done(90.0, template="a")])
    assert study.differences.empty
    assert study.mean_differences.empty
    assert "nothing to compare" in statements(study.differences, MARGIN)[0]


def test_runs_are_compared_cell_by_cell(study_of: StudyOf) -> None:
    shift = {"one": [0.0, 0.0, 0.0], "two": [0.1, 0.2, 0.3]}
    rows = []
    for run, by_seed in shift.items():
        for template, mean in (("base", 90.0), ("a", 91.0 + (run == "two"))):
            for seed, value in enumerate(seeds_with(mean, 0.5)):
                rows.append({"run": run, "model": "m", "width": 1.0, "variant": "", "template": template,
                             "dataset": "d", "seed": seed, "accuracy": value + by_seed[seed],
                             "dataset_digest": "same"})  # fmt: skip
    found = differences_between_runs(pd.DataFrame(rows), "one").set_index("template")
    assert set(found["run"]) == {"two"}
    assert found.loc["base", "difference"] == pytest.approx(0.2)


def test_the_mean_over_data_sets_is_the_mean_of_the_differences_with_their_errors_added() -> None:
    """Two data sets with very different errors: Satterthwaite's degrees of freedom, by hand."""
    paired = np.array([[0.1, 0.5, 0.9, 0.6], [30.0, 80.0, 10.0, 50.0]])
    row = mean_differences(accuracies_of(two_templates(paired), models=1)).iloc[0]
    found = differences(accuracies_of(two_templates(paired), models=1))
    squares = 2 * found["error"].to_numpy() ** 2 / 4
    df = squares.sum() ** 2 / (squares**2 / found["df"].to_numpy()).sum()
    assert row["difference"] == pytest.approx(paired.mean())
    reach = stats.t.isf(0.025, min(np.floor(10 * df) / 10, 6)) * np.sqrt(squares.sum()) / 2
    assert row["high"] - row["difference"] == pytest.approx(reach, rel=1e-3)


def test_a_template_without_a_result_on_one_data_set_has_no_mean(study_of: StudyOf) -> None:
    trials = [
        done(value, seed=seed, template=template, dataset=dataset)
        for dataset in ("cifar10", "cifar100")
        for template in ("base", "a", "b")
        for seed, value in enumerate(seeds_with(90.0 + len(template), 0.1))
        if (template, dataset) != ("b", "cifar100")
    ]
    found = study_of(trials).mean_differences.set_index("template")
    assert found.loc["b", "verdict"] == "untested"
    assert found.loc["a", "verdict"] != "untested"


def test_a_data_set_without_base_leaves_no_mean(study_of: StudyOf) -> None:
    trials = [
        done(value, seed=seed, template=t) for t in ("base", "a") for seed, value in enumerate(seeds_with(90, 0.1))
    ]
    trials += [done(value, seed=seed, template="a", dataset="cifar100") for seed, value in enumerate([70.0, 71.0])]
    assert study_of(trials).mean_differences["verdict"].tolist() == ["untested"]


def test_the_columns_of_a_cell_come_first() -> None:
    values = np.random.default_rng(0).normal(90, 1, size=(2, 3, 4))
    for frame in (differences(accuracies_of(values)), mean_differences(accuracies_of(values))):
        assert list(frame)[: len(CELL)] == CELL


def test_the_sentences_say_what_was_found_and_what_three_seeds_cannot_show(paper: Study) -> None:
    text = " ".join(statements(paper.differences, MARGIN))
    assert "Of 40 differences" in text
    assert "superior" in text
    assert "a training varies by 0.09 to 0.44 points" in text
    assert "'Undecided' does not mean equal" in text


def test_the_sentences_on_one_sided_intervals_promise_no_upper_limit(paper: Study) -> None:
    found = differences(paper.accuracies, Question(one_sided=True))
    text = " ".join(statements(found, MARGIN))
    assert "points down (medians)" in text
    assert "they rule losses out, and never find any" in text


def test_the_sentences_count_untested_differences() -> None:
    found = differences(accuracies_of(two_templates(np.array([[0.28, 0.28], [0.3, np.nan]]))))
    text = " ".join(statements(found, MARGIN))
    assert "1 with fewer than two seeds in common" in text
    assert "1 on data sets where all seeds differ by the same amount" in text


def test_the_mean_differences_of_the_paper(paper: Study) -> None:
    found = paper.mean_differences.set_index(["model", "template"])["verdict"]
    assert found["vgg19", "d"] == "superior"
    assert found["vgg19", "c"] == "inferior"


def test_blocks_without_an_error_lend_no_degrees_of_freedom_to_means() -> None:
    """The seeds of two blocks all agree: the mean of the other two has the two degrees of freedom of these."""
    values = np.full((4, 2, 2), 100.0)
    values[[0, 2]] = two_templates(np.array([[0.1, 0.3], [0.2, 0.5]]))
    first, second = records(mean_differences(accuracies_of(values, models=2)))
    variances = np.array([0.2, 0.3]) ** 2 / 2 / 2  # of a training, from the differences of two pairs
    error = np.sqrt((2 * variances.mean() / 2) / 2)
    reach = stats.t.ppf(0.975, 2) * error
    assert first["high"] - first["difference"] == pytest.approx(reach, rel=1e-3)
    assert second["verdict"] == "untested"


def test_a_seed_of_another_recipe_that_base_lacks_does_not_count(study_of: StudyOf) -> None:
    """Base's seed 3 failed; a's was trained by another recipe, which nothing else shows."""
    trials = [
        done(value, template=template, seed=seed)
        for template, mean in (("base", 90.0), ("a", 90.5), ("b", 90.2))
        for seed, value in enumerate(seeds_with(mean, 0.2))
    ]
    more = [done(99.0, template="a", seed=3, learning_rate=0.9), done(90.1, template="b", seed=3)]
    failed = trial_row(template="base", seed=3, status="failed")
    with_them = study_of([*trials, *more, failed], name="with").differences
    without = study_of(trials, name="without").differences
    assert with_them["error"].tolist() == pytest.approx(without["error"].tolist())


def test_a_template_that_varies_more_is_named_with_how_much(study_of: StudyOf) -> None:
    rng = np.random.default_rng(0)
    trials = [
        done(
            90 + (4.0 if template == "b" else 1.0) * float(rng.normal()), template=template, dataset=dataset, seed=seed
        )
        for template in ("base", "a", "b", "c")
        for dataset in ("cifar10", "cifar100", "cinic10")
        for seed in range(5)
    ]
    (sentence,) = uneven_templates(study_of(trials).accuracies)
    assert "vary more than the others from seed to seed: b (" in sentence
    assert uneven_templates(study_of([row for row in trials if row["template"] != "b"], name="even").accuracies) == ()
