"""Ranks over data sets."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import Study
from analysis.statistics.ranks import LEAST_DATASETS, critical_difference, rank_analysis
from analysis.tables import tables
from tests.analysis.synthetic import done


def cells(means: np.ndarray, models: int = 1) -> pd.DataFrame:
    """Cells from means of shape blocks, templates, the blocks being `models` on each data set."""
    return pd.DataFrame(
        {"run": "r", "model": f"m{i % models}", "width": 1.0, "variant": "", "dataset": f"d{i // models}",
         "template": f"t{j}", "mean": value, "kinds": "0"}
        for (i, j), value in np.ndenumerate(means)
    )  # fmt: skip


@pytest.mark.parametrize(("templates", "datasets", "expected"), [(4, 14, 1.25), (5, 30, 1.11)])
def test_the_critical_difference_matches_demsar(templates: int, datasets: int, expected: float) -> None:
    """4 classifiers on 14 data sets is the example of Demsar (2006), section 3.2.2; q for 5 is 2.728 there."""
    assert critical_difference(templates, datasets) == pytest.approx(expected, abs=0.005)


def test_mean_ranks_and_friedmans_test() -> None:
    means = np.random.default_rng(0).normal(size=(12, 4)) + np.array([0, 0, 0, 1.0])
    found = rank_analysis(cells(means))
    assert found.mean_ranks.index[0] == "t3"
    assert found.mean_ranks.sum() == pytest.approx(4 * 5 / 2)
    assert found.p == pytest.approx(stats.friedmanchisquare(*means.T).pvalue, abs=0.02)


def test_friedmans_test_is_exact_where_all_permutations_can_be_counted() -> None:
    """Three data sets that rank three templates alike: 6 of 216 permutations are as extreme."""
    assert rank_analysis(cells(np.array([[3.0, 2.0, 1.0]] * 3))).p == pytest.approx(6 / 216)


def test_ties_share_their_rank() -> None:
    ranks = rank_analysis(cells(np.array([[1.0, 1.0, 0.0]] * 5))).mean_ranks
    assert ranks.to_dict() == {"t0": 1.5, "t1": 1.5, "t2": 3.0}


@pytest.mark.parametrize("shape", [(LEAST_DATASETS - 1, 6), (10, 2)])
def test_too_few_data_sets_or_templates_are_ranked_without_a_test(shape: tuple[int, int]) -> None:
    found = rank_analysis(cells(np.random.default_rng(0).normal(size=shape)))
    assert found.p is None
    assert found.critical_difference is None
    assert len(found.mean_ranks) == shape[1]


def test_pairs_are_compared_only_if_friedmans_test_finds_a_difference() -> None:
    found = rank_analysis(cells(np.random.default_rng(1).normal(size=(6, 4))))
    assert found.p is not None
    assert found.p > 0.05
    assert found.critical_difference is None


def test_blocks_that_lack_a_template_are_left_out_and_counted() -> None:
    means = np.random.default_rng(0).normal(size=(7, 3))
    means[2, 1] = np.nan
    found = rank_analysis(cells(means))
    assert (found.datasets, found.left_out) == (6, 1)


def test_the_models_of_a_data_set_are_averaged_first() -> None:
    """One model ranks t0 first by much, the other t1 by little: together, t0 is first."""
    means = np.array([[90.0, 80.0, 70.0], [90.0, 91.0, 70.0]] * 4)
    found = rank_analysis(cells(means, models=2))
    assert found.datasets == 4
    assert found.mean_ranks.to_dict() == {"t0": 1.0, "t1": 2.0, "t2": 3.0}


@pytest.mark.oracle
@pytest.mark.parametrize(("datasets", "models"), [(4, 1), (4, 2), (8, 2)])
def test_friedmans_test_holds_its_level_with_several_models_on_the_same_images(datasets: int, models: int) -> None:
    """No template is better in general, but each data set favours some of them for every model."""
    rng = np.random.default_rng(datasets * models)
    found = 0
    for _ in range(200):
        favours = np.repeat(rng.normal(size=(datasets, 6)), models, axis=0)
        means = favours + 0.2 * rng.normal(size=(datasets * models, 6))
        analysis = rank_analysis(cells(means, models))
        found += analysis.p is not None and analysis.p < 0.05
    assert found / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(("datasets", "templates"), [(3, 6), (5, 3), (8, 6)])
def test_nemenyis_test_holds_its_level(datasets: int, templates: int) -> None:
    means = np.random.default_rng(datasets * templates).normal(size=(datasets, templates, 3000))
    ranks = stats.rankdata(means, axis=1).mean(axis=0)
    assert np.mean(np.ptp(ranks, axis=0) > critical_difference(templates, datasets)) <= 0.06


def test_templates_that_all_rank_equally_are_not_tested() -> None:
    assert rank_analysis(cells(np.full((6, 3), 90.0))).p is None


def test_the_table_names_what_is_not_separated_and_its_assumptions(paper: Study) -> None:
    table = tables(paper, "ranks")[0]
    assert [row[0].text for row in table.rows] == ["d", "a", "b", "c", "base", "e"]
    assert table.rows[0][2].text == "a, b, c, base"
    assert "Nemenyi" in " ".join(table.notes)


def test_the_table_of_few_data_sets_explains_why_there_is_no_test(study_of: Callable[..., Study]) -> None:
    rows = [done(90.0 + place, template=template) for place, template in enumerate(("base", "a", "b"))]
    table = tables(study_of(rows), "ranks")[0]
    assert [column.title for column in table.columns] == ["Template", "Mean rank"]
    assert "Not tested" in table.notes[-1]


def test_equal_means_of_two_models_rank_equally() -> None:
    """(90.1 + 90.3) / 2 and (90.2 + 90.2) / 2 differ by an error of rounding."""
    means = np.array([[90.1, 90.2, 90.0], [90.3, 90.2, 90.0]] * 4)
    found = rank_analysis(cells(means, models=2))
    assert found.mean_ranks.to_dict() == {"t0": 1.5, "t1": 1.5, "t2": 3.0}


def test_templates_trained_on_different_data_are_not_ranked(study_of: Callable[..., Study]) -> None:
    trials = [
        done(90.0 + number, template=name, dataset=dataset, dataset_digest="other" if name == "b" else "digest")
        for number, name in enumerate(("base", "a", "b"))
        for dataset in ("cifar10", "cifar100", "cinic10")
    ]
    assert rank_analysis(study_of(trials).cells).left_out == 3
