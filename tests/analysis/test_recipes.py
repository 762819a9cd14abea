"""How the trials were trained."""

from collections.abc import Callable

from analysis import Study
from analysis.recipes import unlike_trainings, value_text, values_by_dataset
from tests.analysis.synthetic import done


def test_templates_trained_by_different_recipes_are_reported(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(91.0, template="a", weight_decay=0.1)])
    (sentence,) = unlike_trainings(study)
    assert sentence.startswith("vgg19 on cifar10: the trials differ in weight_decay")


def test_data_sets_may_have_different_recipes(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(60.0, dataset="tinyimagenet", epochs=90)])
    assert list(unlike_trainings(study)) == []
    assert values_by_dataset(study, "epochs") == "200 (cifar10); 90 (tinyimagenet)"
    assert values_by_dataset(study, "batch_size") == "128"


def test_values_as_text() -> None:
    assert [value_text(value) for value in ([60, 120], None, float("nan"), 0.0001, True, "x")] == [
        "60, 120", "", "", "0.0001", "True", "x"
    ]  # fmt: skip
