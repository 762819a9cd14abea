"""The error of a block, against statsmodels' least squares, and its moderation by other blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from analysis.statistics.errors import Errors, moderated, two_way_errors

RANDOM = np.random.default_rng(3)


def least_squares(block: np.ndarray) -> tuple[float, float]:
    """Residual variance and degrees of freedom of templates and seeds, by statsmodels."""
    rows = [{"template": t, "seed": s, "y": value} for (t, s), value in np.ndenumerate(block) if not np.isnan(value)]
    fit = ols("y ~ C(template) + C(seed)", pd.DataFrame(rows)).fit()
    return float(fit.mse_resid), float(fit.df_resid)


@pytest.mark.parametrize("missing", [0, 1, 4])
def test_variance_and_degrees_of_freedom_are_those_of_least_squares(missing: int) -> None:
    values = RANDOM.normal(size=(6, 5, 4))
    for block in values:
        block.ravel()[RANDOM.permutation(20)[:missing]] = np.nan
    found = two_way_errors(values)
    for number, block in enumerate(values):
        assert (found.variance[number], found.df[number]) == pytest.approx(least_squares(block))


def test_a_block_in_two_unconnected_parts_has_the_degrees_of_freedom_of_both() -> None:
    block = np.full((1, 4, 4), np.nan)
    block[0, :2, :2], block[0, 2:, 2:] = RANDOM.normal(size=(2, 2, 2))
    assert two_way_errors(block).df.tolist() == [2]


def test_what_all_templates_share_in_a_seed_is_no_error() -> None:
    values = np.arange(4.0)[:, np.newaxis] + 10 * RANDOM.normal(size=3)
    assert two_way_errors(values[np.newaxis]).variance[0] == pytest.approx(0.0, abs=1e-20)


def test_a_block_with_one_seed_or_one_template_has_no_error() -> None:
    values = np.full((2, 3, 3), np.nan)
    values[0, :, 0], values[1, 0] = 1.0, 2.0
    found = two_way_errors(values)
    assert found.df.tolist() == [0, 0]
    assert not found.known.any()


def errors(true: np.ndarray, df: float, rng: np.random.Generator) -> Errors:
    """Estimates of these true variances."""
    return Errors(variance=true * rng.chisquare(df, len(true)) / df, df=np.full(len(true), df))


def test_equal_variances_are_pooled() -> None:
    own = Errors(variance=np.array([1.0, 1.1, 0.9, 1.05]), df=np.full(4, 10.0))
    found, prior = moderated(own)
    assert prior.df == np.inf
    assert found.variance == pytest.approx(own.variance.mean())
    assert found.df.tolist() == [40.0] * 4


def test_the_prior_is_the_one_that_the_variances_were_drawn_from() -> None:
    rng = np.random.default_rng(0)
    true = 0.04 * 8 / rng.chisquare(8, 3000)
    _, prior = moderated(errors(true, 10, rng))
    assert prior.df == pytest.approx(8, rel=0.1)
    assert prior.variance == pytest.approx(0.04, rel=0.05)


def test_moderated_errors_give_students_t_with_both_degrees_of_freedom() -> None:
    rng = np.random.default_rng(1)
    true = 8 / rng.chisquare(8, 4000)
    found, _ = moderated(errors(true, 4, rng))
    t = rng.normal(0, np.sqrt(true)) / np.sqrt(found.variance)
    assert stats.kstest(t, stats.t(12).cdf).pvalue > 0.01


def test_a_variance_far_from_the_others_is_shrunk_little() -> None:
    own = Errors(variance=np.array([0.001, 0.01, 0.1, 1.0, 10.0]), df=np.full(5, 20.0))
    found, prior = moderated(own)
    assert prior.df < 1
    assert found.variance == pytest.approx(own.variance, rel=0.3)


def test_a_block_without_spread_gets_no_error_from_the_others() -> None:
    found, _ = moderated(Errors(variance=np.array([1.0, 0.0, 1.2, np.nan]), df=np.array([4.0, 4.0, 4.0, 0.0])))
    assert found.known.tolist() == [True, False, True, False]


def test_one_block_keeps_its_own_error() -> None:
    own = Errors(variance=np.array([0.3]), df=np.array([10.0]))
    found, prior = moderated(own)
    assert (found.variance, found.df, prior.df) == (own.variance, own.df, 0.0)
