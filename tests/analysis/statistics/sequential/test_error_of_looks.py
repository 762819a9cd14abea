"""How often a study with looks errs, and what it finds: simulated, by formulas that are written here anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from analysis.statistics.arrays import Values
from analysis.statistics.sequential.looks import PRIOR_DF, paired_errors, planned_looks, progress
from benchmarks.adaptive import LOOKS, simulated_study
from fdt_core.results.looks import Family

STUDIES, BLOCKS = 10_000, 8
MONTE_CARLO = 3 * np.sqrt(0.05 * 0.95 / STUDIES)

SPREADS = {
    "equal": [0.3] * 6,
    "one template three times": [0.3] * 5 + [0.9],
    "base three times": [0.9] + [0.3] * 5,
    "graded": [0.6, 0.5, 0.4, 0.3, 0.2, 0.1],
    "one template alone": [0.3, 0.3],
}


def at_a_look(accuracies: Values) -> tuple[Values, Values, int]:
    """Differences to base and their standard errors, of shape studies, templates; and the degrees of freedom."""
    paired = accuracies[:, 1:] - accuracies[:, :1]
    seeds, weight = paired.shape[2], min(PRIOR_DF, paired.shape[1] - 1)
    own = paired.var(axis=2, ddof=1)
    df = seeds - 1 + weight
    variance = ((seeds - 1) * own + weight * own.mean(axis=1, keepdims=True)) / df
    return paired.mean(axis=2), np.sqrt(variance / seeds), df


def test_the_formulas_are_those_of_the_product() -> None:
    random = np.random.default_rng(3)
    accuracies = random.normal(size=(20, 6, 5))
    difference, error, df = at_a_look(accuracies)
    for number, block in enumerate(accuracies):
        found = paired_errors(block)
        assert found.difference[1:] == pytest.approx(difference[number], abs=1e-8)
        assert found.standard_error[1:] == pytest.approx(error[number], abs=1e-8)
        assert set(found.df[1:]) == {df}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [LOOKS, (3, 4, 6, 8, 11, 15, 20), (5, 20)], ids=str)
@pytest.mark.parametrize("spreads", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("family", ["study", "block"])
def test_the_family_errs_at_most_as_often_as_it_says(
    family: Family, spreads: list[float], seeds: tuple[int, ...]
) -> None:
    """An error: any interval misses the true difference, at any look, of any template.

    That covers every wrong verdict, whatever the true differences are (none, or at the margin), and whenever the
    templates stop.
    """
    blocks = BLOCKS if family == "study" else 1
    looks = planned_looks(seeds, margin=0.5, error=0.05, templates=len(spreads) - 1, blocks=BLOCKS, family=family)
    wrong = np.zeros(STUDIES, dtype=bool)
    for number in range(blocks):
        noise = np.random.default_rng(number).normal(size=(STUDIES, len(spreads), seeds[-1]))
        accuracies = noise * np.array(spreads)[:, np.newaxis]
        for count, level in zip(seeds, looks.levels, strict=True):
            difference, error, df = at_a_look(accuracies[:, :, :count])
            wrong |= (np.abs(difference) > t.isf(level / 2, df) * error).any(axis=1)
    assert wrong.mean() <= 0.05 + MONTE_CARLO


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.0, -0.5, 0.5])
def test_a_study_that_stops_gives_a_wrong_verdict_at_most_as_often_as_it_says(truth: float) -> None:
    looks = planned_looks(LOOKS, margin=0.5, error=0.05, templates=3, blocks=1)
    random, studies, wrong = np.random.default_rng(7), 2000, 0
    for _ in range(studies):
        means = np.array([90.0, *[90.0 + truth] * 3])
        accuracies = means[:, np.newaxis] + 0.3 * random.normal(size=(4, LOOKS[-1]))
        found = progress(accuracies, np.ones(accuracies.shape, dtype=bool), looks)
        wrong += any(not each.low <= truth <= each.high for each in found.decisions)
    assert wrong / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_a_study_of_the_paper_finds_what_twenty_seeds_find(margin: float) -> None:
    adaptive, twenty = (simulated_study(seeds, margin, studies=100) for seeds in (LOOKS, (LOOKS[-1],)))
    assert adaptive.settled >= 0.97 * twenty.settled
    assert adaptive.trainings < 0.7 * twenty.trainings
