"""Ranks over data sets."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import Study
from analysis.statistics.ranks import ENOUGH, critical_difference, rank_analysis
from analysis.tables import tables
from tests.analysis.synthetic import done


def cells(means: np.ndarray) -> pd.DataFrame:
    """Cells from means of shape data sets, templates."""
    return pd.DataFrame(
        {"run": "r", "model": "m", "width": 1.0, "dataset": f"d{i}", "template": f"t{j}", "mean": value, "recipes": "0"}
        for (i, j), value in np.ndenumerate(means)
    )


@pytest.mark.parametrize(("templates", "blocks", "expected"), [(4, 14, 1.25), (5, 30, 1.11)])
def test_the_critical_difference_matches_demsar(templates: int, blocks: int, expected: float) -> None:
    """4 classifiers on 14 data sets is the example of Demsar (2006), section 3.2.2; q for 5 is 2.728 there."""
    assert critical_difference(templates, blocks) == pytest.approx(expected, abs=0.005)


def test_mean_ranks_and_friedmans_test() -> None:
    means = np.random.default_rng(0).normal(size=(8, 4)) + np.array([0, 0, 0, 3])
    found = rank_analysis(cells(means))
    assert found.mean_ranks.index[0] == "t3"
    assert found.mean_ranks.sum() == pytest.approx(4 * 5 / 2)
    assert found.p == pytest.approx(stats.friedmanchisquare(*means.T).pvalue)


def test_ties_share_their_rank() -> None:
    ranks = rank_analysis(cells(np.array([[1.0, 1.0, 0.0]] * 5))).mean_ranks
    assert ranks.to_dict() == {"t0": 1.5, "t1": 1.5, "t2": 3.0}


@pytest.mark.parametrize("shape", [(ENOUGH - 1, 6), (10, 2)])
def test_too_few_data_sets_or_templates_are_ranked_without_a_test(shape: tuple[int, int]) -> None:
    found = rank_analysis(cells(np.random.default_rng(0).normal(size=shape)))
    assert found.p is None
    assert found.critical_difference is None
    assert len(found.mean_ranks) == shape[1]


def test_blocks_that_lack_a_template_are_left_out_and_counted() -> None:
    means = np.random.default_rng(0).normal(size=(7, 3))
    means[2, 1] = np.nan
    found = rank_analysis(cells(means))
    assert (found.blocks, found.left_out) == (6, 1)


@pytest.mark.parametrize(("blocks", "templates"), [(ENOUGH, 3), (ENOUGH, 6), (8, 6)])
def test_the_tests_hold_their_level(blocks: int, templates: int) -> None:
    means = np.random.default_rng(blocks * templates).normal(size=(blocks, templates, 3000))
    ranks = stats.rankdata(means, axis=1).mean(axis=0)
    assert np.mean(stats.friedmanchisquare(*means.swapaxes(0, 1)).pvalue < 0.05) <= 0.06
    assert np.mean(np.ptp(ranks, axis=0) > critical_difference(templates, blocks)) <= 0.06


def test_templates_that_all_rank_equally_are_not_tested() -> None:
    assert rank_analysis(cells(np.full((6, 3), 90.0))).p is None


def test_the_table_names_what_is_not_separated_and_its_assumptions(paper: Study) -> None:
    table = tables(paper, "ranks")[0]
    assert [row[0].text for row in table.rows] == ["d", "a", "b", "c", "base", "e"]
    assert table.rows[0][2].text == "a, b"
    assert "Nemenyi" in " ".join(table.notes)


def test_the_table_of_few_data_sets_explains_why_there_is_no_test(study_of: Callable[..., Study]) -> None:
    rows = [done(90.0 + place, template=template) for place, template in enumerate(("base", "a", "b"))]
    table = tables(study_of(rows), "ranks")[0]
    assert [column.title for column in table.columns] == ["Template", "Mean rank"]
    assert "Not tested" in table.notes[0]
