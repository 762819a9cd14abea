"""Verdicts on intervals."""

import numpy as np
import pytest

from analysis.statistics.verdicts import Verdict, verdicts


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 2.0, Verdict.SUPERIOR),
        (0.1, 0.3, Verdict.SUPERIOR),
        (-0.4, 0.4, Verdict.EQUIVALENT),
        (-0.4, -0.1, Verdict.EQUIVALENT),
        (-0.4, 0.6, Verdict.NON_INFERIOR),
        (-0.4, np.inf, Verdict.NON_INFERIOR),
        (-0.6, 0.6, Verdict.UNDECIDED),
        (-0.6, -0.1, Verdict.UNDECIDED),
        (-2.0, -0.6, Verdict.INFERIOR),
        (np.nan, np.nan, Verdict.UNTESTED),
        (0.0, 0.5, Verdict.NON_INFERIOR),
        (-0.5, 0.4, Verdict.UNDECIDED),
        (-0.9, -0.5, Verdict.UNDECIDED),
    ],
)
def test_an_interval_has_one_verdict_and_its_limits_show_nothing(low: float, high: float, verdict: Verdict) -> None:
    assert verdicts(np.array([low]), np.array([high]), 0.5).tolist() == [verdict]


def test_without_a_margin_only_the_sign_is_asked() -> None:
    low, high = np.array([0.1, -0.1, -0.3]), np.array([0.3, 0.1, -0.1])
    assert verdicts(low, high, 0.0).tolist() == ["superior", "undecided", "inferior"]
