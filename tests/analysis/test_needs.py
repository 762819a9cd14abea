"""The best template for each need, and how certain the choice is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis import Study, study
from analysis.needs import Choice, choices
from tests.analysis.synthetic import done, profile_row, seeds_with, trial_row, write_run


def choice(study: Study, need: str) -> Choice:
    (found,) = (each for each in next(iter(choices(study).values())) if each.need.startswith(need))
    return found


def seeds(template: str, values: list[float], **given: Any) -> list[dict[str, Any]]:
    return [done(value, template=template, seed=seed, **given) for seed, value in enumerate(values)]


def test_the_winner_is_sure_only_against_those_that_it_clearly_beats(study_of: Callable[..., Study]) -> None:
    trials = (
        seeds("base", [90.0, 90.1, 90.2]) + seeds("a", [92.0, 92.11, 92.2]) + seeds("b", [91.9, 92.2, 92.05])
        + seeds("c", [50.0])
    )  # fmt: skip
    found = choice(study_of(trials), "accuracy")
    assert found.templates == ("a",)
    assert found.change is not None
    assert found.change.text == "+2.00 points"
    assert found.certainty == "highest on 1 of 1 data sets; may also be the best: b; not tested: c"


def test_a_clear_winner_is_surely_the_best(study_of: Callable[..., Study]) -> None:
    trials = seeds("base", [90.0, 90.1, 90.2]) + seeds("a", [92.0, 92.11, 92.2]) + seeds("b", [91.0, 91.12, 91.2])
    assert choice(study_of(trials), "accuracy").certainty == "highest on 1 of 1 data sets; surely the best"


def test_equal_templates_are_both_named_the_smaller_first(study_of: Callable[..., Study]) -> None:
    equal = [91.0, 91.2, 91.1]
    trials = seeds("base", [90.0, 90.1, 90.2]) + seeds("a", equal, params=20) + seeds("b", equal, params=10)
    found = choice(study_of(trials), "accuracy")
    assert found.templates == ("b", "a")
    assert "they are equal, and surely ahead of the others" in found.certainty


def test_a_missing_bad_seed_chooses_nothing(study_of: Callable[..., Study]) -> None:
    """The mean of b is higher only because its worst seed is missing."""
    trials = seeds("base", [90.0, 91.0, 80.0]) + seeds("a", [90.3, 91.31, 80.29]) + seeds("b", [90.2, 91.19])
    found = choice(study_of(trials), "accuracy")
    assert found.templates == ("a",)
    assert found.change is not None
    assert found.change.text == "+0.30 points"


def test_a_template_that_loses_too_much_is_not_chosen_for_few_parameters(study_of: Callable[..., Study]) -> None:
    trials = (
        seeds("base", [90.0, 90.1, 90.2], params=1000)
        + seeds("b", [89.8, 89.9, 90.02], params=500)
        + seeds("c", [80.0, 80.0, 81.0], params=10)
    )
    found = choice(study_of(trials), "parameters, at most")
    assert found.templates == ("base",)
    assert found.certainty == "no smaller template is shown to stay within; undecided or not tested: b"


def test_the_smallest_template_whose_loss_is_shown_to_be_small_is_chosen(study_of: Callable[..., Study]) -> None:
    trials = (
        seeds("base", [90.0, 90.1, 90.2], params=1000)
        + seeds("b", [89.8, 89.9, 90.02], params=500)
        + seeds("c", [89.9, 90.01, 90.1], params=700)
    )
    found = choice(study_of(trials), "parameters, at most")
    assert found.templates == ("b",)
    assert found.change is not None
    assert found.change.text == "-50.0 %"
    assert found.certainty.startswith("shown: -0.19 points, 95 % interval from -0.2")


def test_noisy_losses_are_not_shown_to_be_small(study_of: Callable[..., Study]) -> None:
    trials = seeds("base", [90.0, 90.1, 90.2]) + seeds("b", [89.0, 91.0, 90.0], params=500)
    found = choice(study_of(trials), "parameters, at most")
    assert found.templates == ("base",)
    assert found.certainty == "no smaller template is shown to stay within; undecided or not tested: b"


def test_a_loss_of_nearly_nothing_is_not_a_negative_zero(study_of: Callable[..., Study]) -> None:
    trials = seeds("base", [90.0, 90.1, 90.2]) + seeds("b", [90.001, 90.099, 90.19999], params=500)
    assert choice(study_of(trials), "parameters, at most").certainty.startswith("shown: +0.00 points")


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
    assert [each.change for each in no_base] == [None, None, None]
    only_failures = choices(study_of([trial_row(status="failed")], name="other"))["vgg19"]
    assert [each.need for each in only_failures] == ["parameters", "memory"]


def test_if_base_failed_the_others_are_still_compared(study_of: Callable[..., Study]) -> None:
    failed = [done(0.0, seed=seed) | {"status": "failed", "final_test_accuracy": None} for seed in range(3)]
    trials = failed + seeds("a", [92.0, 92.11, 92.2]) + seeds("b", [90.9, 91.2, 91.05])
    found = choice(study_of(trials), "accuracy")
    assert found.templates == ("a",)
    assert found.change is None
    assert "surely the best of those tested" in found.certainty
