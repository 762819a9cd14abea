"""The best template for each need, and how certain the choice is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from analysis.needs import Choice, average_over_datasets, choices
from tests.analysis.synthetic import done, profile_row, seeds_with, trial_row, write_run


def choice(study: Study, need: str) -> Choice:
    (found,) = (each for each in next(iter(choices(study).values())) if each.need.startswith(need))
    return found


def seeds(template: str, values: list[float], **given: Any) -> list[dict[str, Any]]:
    return [done(value, template=template, seed=seed, **given) for seed, value in enumerate(values)]


def test_the_average_over_data_sets_needs_all_of_them(study_of: Callable[..., Study]) -> None:
    trials = [done(90.0), done(70.0, dataset="cifar100"), done(80.0, seed=1)]
    averages = average_over_datasets(study_of(trials).outcomes).set_index("seed")["accuracy"]
    assert averages[0] == 80.0
    assert averages.isna()[1]


def test_clear_differences_are_significant_and_small_ones_are_not(study_of: Callable[..., Study]) -> None:
    trials = (
        seeds("base", [90.0, 90.1, 90.2]) + seeds("a", [92.0, 92.11, 92.2]) + seeds("b", [91.9, 92.2, 92.05])
        + seeds("c", [50.0])
    )  # fmt: skip
    found = choice(study_of(trials), "accuracy")
    assert found.templates == ("a",)
    assert found.against_base == "+2.00 points"
    assert found.certainty == (
        "highest on 1 of 1 data sets; significantly above base; not separated from b; not testable against c"
    )


def test_a_template_that_loses_too_much_is_not_chosen_for_few_parameters(study_of: Callable[..., Study]) -> None:
    trials = (
        seeds("base", [90.0, 90.1, 90.2], params=1000)
        + seeds("b", [89.8, 89.9, 90.02], params=500)
        + seeds("c", [80.0, 80.0, 81.0], params=10)
    )
    found = choice(study_of(trials), "parameters, at most")
    assert found.templates == ("b",)
    assert found.against_base == "-50.0 %"
    assert found.certainty.startswith("shown: -0.19 points, 95 % interval from -0.22")


def test_noisy_losses_are_not_shown_to_be_small(study_of: Callable[..., Study]) -> None:
    trials = seeds("base", [90.0, 90.1, 90.2]) + seeds("b", [89.0, 91.0, 90.0], params=500)
    assert choice(study_of(trials), "parameters, at most").certainty.startswith("not shown")


def test_a_loss_of_nearly_nothing_is_not_a_negative_zero(study_of: Callable[..., Study]) -> None:
    trials = seeds("base", [90.0, 90.1, 90.2]) + seeds("b", [90.2, 90.1, 89.991], params=500)
    assert choice(study_of(trials), "parameters, at most").certainty.startswith("not shown: +0.00 points")


@pytest.mark.parametrize(
    ("p90", "certainty"),
    [
        (1.1, "measured; its 10-90 % range is below all others"),
        (1.9, "measured; its 10-90 % range overlaps that of b"),
    ],
)
def test_the_certainty_of_latency_depends_on_the_spread_of_its_measurements(
    tmp_path: Path, p90: float, certainty: str
) -> None:
    trials = {name: done(90.0, template=name, params=params) for name, params in (("a", 1), ("b", 2), ("c", 3))}
    profiles = [
        profile_row(trials[name], latency_ms_b16_median=median, latency_ms_b16_p10=low, latency_ms_b16_p90=high)
        for name, median, low, high in (("a", 1.0, 0.9, p90), ("b", 2.0, 1.8, 2.2))
    ]
    path = write_run(tmp_path / "run", trials.values(), profiles=profiles)
    assert choice(study(path), "inference time").certainty == f"{certainty}; not measured: c"


def test_needs_without_base_or_results(study_of: Callable[..., Study]) -> None:
    no_base = choices(study_of(seeds("a", seeds_with(90.0, 0.1))))["vgg19"]
    assert [each.against_base for each in no_base] == ["", "", ""]
    only_failures = choices(study_of([trial_row(status="failed")], name="other"))["vgg19"]
    assert [each.need for each in only_failures] == ["parameters", "memory"]
