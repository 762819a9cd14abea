"""What the first screen of the report says of each model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from analysis import Study, study
from analysis.report import render_page
from analysis.report.verdict import model_verdicts
from analysis.statistics.differences import Question
from tests.analysis.synthetic import done, seeds_with, trial_row, write_run


def test_each_model_of_the_paper_has_a_sentence_and_three_numbers(paper: Study) -> None:
    resnet, vgg = model_verdicts(paper)
    assert (resnet.title, vgg.title) == ("resnet50", "vgg19")
    assert vgg.sentence.startswith("d is not worse than base by more than 0.5 points on 4 of 4 data sets")
    d = paper.mean_differences.query("model == 'vgg19' and template == 'd'").iloc[0]
    assert [(number.text, number.detail) for number in vgg.numbers] == [
        ("-59.7 %", ""),
        (f"{d['difference']:+.2f}", f"95 % interval: {d['low']:+.2f} to {d['high']:+.2f}"),
        ("4 of 4", ""),
    ]


def test_a_one_sided_interval_has_no_upper_limit(paper: Study) -> None:
    one_sided = replace(paper, question=Question(one_sided=True))
    assert all("at least" in verdict.numbers[1].detail for verdict in model_verdicts(one_sided))


def test_one_data_set_is_named_and_needs_no_mean(study_of: Callable[..., Study]) -> None:
    rows = [
        done(value, template=template, dataset="digits", seed=seed)
        for template, mean in (("base", 90.0), ("a", 90.01))
        for seed, value in enumerate(seeds_with(mean, 0.01))
    ]
    (verdict,) = model_verdicts(study_of(rows))
    assert "points of accuracy, digits" in [number.label for number in verdict.numbers]
    assert verdict.numbers[-1].text == "1 of 1"


def test_without_base_there_is_nothing_to_say(tmp_path: Path) -> None:
    seen = study(write_run(tmp_path / "run", [done(90.0, template=name) for name in ("a", "b")]))
    (verdict,) = model_verdicts(seen)
    assert verdict.sentence == "there is no base, so nothing is compared."
    assert verdict.numbers == ()
    assert verdict.sentence in render_page(seen)


def test_base_alone_has_nothing_to_be_compared_with(study_of: Callable[..., Study]) -> None:
    (verdict,) = model_verdicts(study_of([done(90.0)]))
    assert verdict.sentence == "there is nothing but base, so nothing is compared."


def test_while_a_data_set_is_missing_the_numbers_are_those_of_another(study_of: Callable[..., Study]) -> None:
    rows = [
        done(value, template=template, dataset="cifar100", seed=seed)
        for template, mean in (("base", 70.0), ("a", 70.2))
        for seed, value in enumerate(seeds_with(mean, 0.01))
    ]
    planned = [*rows, *(trial_row(template=name, dataset="cifar10") for name in ("base", "a"))]
    seen = study_of(rows, planned=planned)
    (verdict,) = model_verdicts(seen)
    assert [(number.label, number.text) for number in verdict.numbers[1:]] == [
        ("points of accuracy, cifar100", "+0.20"),
        ("data sets where a loss of more than 0.5 points is ruled out", "1 of 2"),
    ]
    assert "+nan" not in render_page(seen)


def test_where_nothing_is_shown_the_numbers_say_why(study_of: Callable[..., Study]) -> None:
    rows = [
        done(value, template=template, dataset="digits", seed=seed)
        for template, mean in (("base", 90.0), ("a", 89.0), ("b", 91.0))
        for seed, value in enumerate(seeds_with(mean, 2.0))
    ]
    seen = study_of(rows)
    (verdict,) = model_verdicts(seen)
    assert verdict.sentence.startswith("no template is shown to lose at most 0.5 points on any data set (2 undec")
    reach = (seen.differences["difference"] - seen.differences["low"]).median()
    assert [number.text for number in verdict.numbers] == ["0 of 2", f"{reach:.2f}", "3"]


def test_one_seed_has_no_interval(study_of: Callable[..., Study]) -> None:
    (verdict,) = model_verdicts(study_of([done(90.0), done(91.0, template="a")]))
    assert "(1 untested)" in verdict.sentence
    assert [number.text for number in verdict.numbers] == ["0 of 1", "1"]
