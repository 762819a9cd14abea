"""How the trials were trained."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from analysis import Study, study
from analysis.former import former_rows
from analysis.recipes import unlike_runs, unlike_trainings, value_text, values_by_dataset
from fdt_core.results.columns import FORMER_VALUES
from tests.analysis.synthetic import done, write_run


def test_templates_trained_by_different_recipes_are_reported(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(91.0, template="a", weight_decay=0.1)])
    (sentence,) = unlike_trainings(study)
    assert sentence.startswith("vgg19 on cifar10: the trials differ in weight_decay")


def test_data_sets_may_have_different_recipes(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(60.0, dataset="tinyimagenet", epochs=90)])
    assert list(unlike_trainings(study)) == []
    assert values_by_dataset(study, "epochs") == "200 (cifar10); 90 (tinyimagenet)"
    assert values_by_dataset(study, "batch_size") == "128"


def test_a_run_of_version_0_1_was_trained_like_one_that_has_the_new_columns(tmp_path: Path) -> None:
    rows = [done(90.0), done(90.5, template="a"), done(91.0, seed=1), done(91.5, template="a", seed=1)]
    old, new = write_run(tmp_path / "old", rows), write_run(tmp_path / "new", rows)
    plan = json.loads((old / "plan.json").read_text())
    plan["trials"] = [{name: trial[name] for name in trial if name not in FORMER_VALUES} for trial in plan["trials"]]
    (old / "plan.json").write_text(json.dumps(plan))
    part = old / "results" / "trials" / "part-000000.parquet"
    pq.write_table(pq.read_table(part).drop_columns(list(FORMER_VALUES)), part)
    assert "optimiser" in FORMER_VALUES
    both = study(old, new)
    assert both.outcomes.groupby("run")["status"].apply(list).to_dict() == {"new": ["done"] * 4, "old": ["done"] * 4}
    assert list(unlike_runs(both)) == list(unlike_trainings(both)) == []
    assert values_by_dataset(both, "optimiser") == "sgd"
    assert values_by_dataset(both, "betas") == "0.9, 0.999"
    assert both.outcomes["recipe"].nunique() == 1
    assert former_rows(both).empty


def test_trainings_with_other_ranges_of_crops_are_reported(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(91.0, template="a", crop_scale=[0.5, 1.0], optimiser="adamw")])
    (sentence,) = unlike_trainings(study)
    assert sentence.startswith("vgg19 on cifar10: the trials differ in optimiser, crop_scale")


def test_values_as_text() -> None:
    assert [value_text(value) for value in ([60, 120], None, float("nan"), 0.0001, True, "x")] == [
        "60, 120", "", "", "0.0001", "True", "x"
    ]  # fmt: skip
