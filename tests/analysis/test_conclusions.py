"""The sentences that a paper needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from analysis import Study
from analysis.conclusions import conclusions, leading, verdict_on
from tests.analysis.synthetic import done, seeds_with

StudyOf = Callable[..., Study]


def sentences(study: Study) -> dict[str, str]:
    """The sentence of each template of the only model."""
    (found,) = conclusions(study).values()
    return {each.template: each.sentence(study.question.margin) for each in found}


def rows(template: str, means: dict[str, float], **given: Any) -> list[dict[str, Any]]:
    return [
        done(value, template=template, dataset=dataset, seed=seed, **given)
        for dataset, mean in means.items()
        for seed, value in enumerate(seeds_with(mean, 0.05))
    ]


def test_a_sentence_counts_data_sets_and_names_those_where_it_does_not_hold(study_of: StudyOf) -> None:
    base = {"cifar10": 90.0, "cifar100": 70.0, "cinic10": 80.0, "tinyimagenet": 50.0}
    losses = {"cifar10": 0.02, "cifar100": -5.0, "cinic10": 1.0, "tinyimagenet": -0.5}
    study = study_of(
        rows("base", base, params=1000) + rows("c", {name: base[name] + losses[name] for name in base}, params=94)
    )
    assert sentences(study) == {
        "c": "c is not worse than base by more than 0.5 points on 2 of 4 data sets with 90.6 % fewer parameters; "
        "better on cinic10; inferior on cifar100; undecided on tinyimagenet."
    }


def test_one_data_set_is_named(study_of: StudyOf) -> None:
    study = study_of(rows("base", {"digits": 90.0}) + rows("a", {"digits": 90.01}) + rows("b", {"digits": 80.0}))
    assert sentences(study) == {
        "a": "a is not worse than base by more than 0.5 points on digits.",
        "b": "b is inferior on digits.",
    }


def test_a_template_that_is_nowhere_shown_to_be_as_good_is_not_praised(study_of: StudyOf) -> None:
    study = study_of(
        rows("base", {"cifar10": 90.0, "cinic10": 80.0}, params=10)
        + rows("a", {"cifar10": 80.0, "cinic10": 70.0}, params=12)
    )
    assert sentences(study) == {"a": "a with 20.0 % more parameters is inferior on cifar10, cinic10."}


def test_without_base_there_is_no_conclusion(study_of: StudyOf) -> None:
    assert conclusions(study_of(rows("a", {"digits": 90.0}))) == {}


def test_the_paper_its_claim_holds_on_two_data_sets_of_four(paper: Study) -> None:
    """'Competitive accuracy with 90 % fewer parameters': VGG with template c."""
    (c,) = (each for each in conclusions(paper)["vgg19"] if each.template == "c")
    assert c.params == pytest.approx(-0.9056, abs=1e-4)
    assert c.sentence(0.5) == (
        "c is not worse than base by more than 0.5 points on 2 of 4 data sets with 90.6 % fewer parameters; "
        "inferior on cifar100, tinyimagenet."
    )


def test_a_model_is_judged_by_the_smallest_template_that_holds_on_most_data_sets(study_of: StudyOf) -> None:
    base = {"cifar10": 90.0, "cinic10": 80.0}
    study = study_of(
        rows("base", base, params=1000)
        + rows("a", {"cifar10": 90.01, "cinic10": 80.01}, params=500)
        + rows("b", {"cifar10": 89.99, "cinic10": 79.99}, params=400)
        + rows("c", {"cifar10": 90.02, "cinic10": 70.0}, params=100)
    )
    (found,) = conclusions(study).values()
    lead = leading(found)
    assert lead is not None
    assert (lead.template, lead.within) == ("b", 2)
    assert verdict_on(found, 0.5).startswith("b is not worse than base by more than 0.5 points on 2 of 2 data sets")


def test_a_model_of_which_nothing_is_shown_is_said_to_be_so(study_of: StudyOf) -> None:
    study = study_of(
        [
            *(done(90.0), done(89.0, template="a"), done(88.0, template="b")),
            *rows("base", {"cinic10": 80.0}),
            *rows("a", {"cinic10": 70.0}),
        ]
    )
    (found,) = conclusions(study).values()
    assert leading(found) is None
    assert verdict_on(found, 0.5) == (
        "no template is shown to lose at most 0.5 points on any data set (1 inferior, 2 untested)."
    )
