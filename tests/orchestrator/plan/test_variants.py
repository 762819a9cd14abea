"""Variants are an axis of the grid: each cell is planned once for every variant, and its recipe is the variant's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from orchestrator.launch.prepare import new_launch
from orchestrator.plan.cells import SweepPlan, plan_from_json
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.status.plan_text import plan_text

HEAD = "name: study\nmodels: [vgg11]\nwidth: 0.125\ntemplates: [base, c]\ndatasets: [digits]\nseeds: 2\n"
QUICK = "recipe: {base: quick, epochs: 3}\n"
TWO = "variants: {lr_low: {learning_rate: 0.05}, lr_high: {learning_rate: 0.2, weight_decay: 1.0e-5}}\n"
GRID = "vary: {learning_rate: [0.05, 0.1], weight_decay: [1.0e-5, 5.0e-4, 1.0e-3]}\n"


def planned(folder: Path, text: str, *settings: str) -> SweepPlan:
    file = folder / "study.yaml"
    file.write_text(HEAD + QUICK + text)
    return plan_sweep(file, settings)


def recipes(plan: SweepPlan, *fields: str) -> dict[str, tuple[object, ...]]:
    """The values of these fields by variant, which are the same in all its cells."""
    found: dict[str, set[tuple[object, ...]]] = {}
    for cell in plan.cells:
        found.setdefault(cell.variant, set()).add(tuple(getattr(cell.spec.recipe, name) for name in fields))
    assert all(len(values) == 1 for values in found.values())
    return {name: values.pop() for name, values in found.items()}


def test_every_cell_is_trained_once_per_variant_by_its_recipe(tmp_path: Path) -> None:
    plan = planned(tmp_path, TWO)
    assert len(plan.cells) == len({cell.trial_id for cell in plan.cells}) == 2 * 2 * 2
    assert recipes(plan, "learning_rate", "weight_decay", "epochs") == {
        "lr_low": (0.05, 0.0005, 3),
        "lr_high": (0.2, 1e-5, 3),
    }


def test_a_grid_has_every_combination_named_by_its_values(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID)
    assert len(plan.cells) == 6 * 4
    names = recipes(plan, "learning_rate", "weight_decay")
    assert names["learning_rate=0.05/weight_decay=1e-05"] == (0.05, 1e-5)
    assert len(set(names.values())) == 6


def test_a_variant_may_be_another_recipe(tmp_path: Path) -> None:
    plan = planned(tmp_path, "variants: {short: {epochs: 1}, by_paper: paper}\n")
    assert recipes(plan, "epochs", "schedule") == {"short": (1, "one_cycle"), "by_paper": (200, "multi_step")}


def test_a_variant_wins_over_overrides_which_may_select_it(tmp_path: Path) -> None:
    rules = (
        "overrides: [{where: {dataset: digits}, learning_rate: 9.0}, {where: {variant: lr_h*}, epochs: 7}]\n"
        "exclude: [{variant: lr_low, template: c}]\n"
    )
    plan = planned(tmp_path, TWO + rules)
    assert recipes(plan, "learning_rate", "epochs") == {"lr_low": (0.05, 3), "lr_high": (0.2, 7)}
    assert sorted({(cell.variant, cell.template) for cell in plan.cells}) == [
        ("lr_high", "base"),
        ("lr_high", "c"),
        ("lr_low", "base"),
    ]
    assert {cell.variant for cell in plan.matching(["variant=lr_low"]).cells} == {"lr_low"}


@pytest.mark.parametrize("text", ["", "variants: {}\n", "vary: {}\n"])
def test_without_variants_cells_and_trials_are_what_they_were(tmp_path: Path, text: str) -> None:
    plan = planned(tmp_path, text)
    assert {cell.variant for cell in plan.cells} == {""}
    alone = planned(tmp_path, "variants: {slow: {learning_rate: 0.01}}\n")
    other = planned(tmp_path, text, "learning_rate=0.01")
    assert {cell.trial_id for cell in alone.cells} == {cell.trial_id for cell in other.cells}
    former = json.loads(json.dumps(plan.to_json()))
    for trial in former["trials"]:
        del trial["variant"]
    assert plan_from_json(former) == plan


def test_the_plan_shows_the_variants_where_there_are_any(tmp_path: Path) -> None:
    for text, shown in ((TWO, True), ("", False)):
        (tmp_path / "study.yaml").write_text(HEAD + QUICK + text)
        settings = LaunchSettings(data_directory=str(tmp_path))
        launch = new_launch(tmp_path / "study.yaml", runs_dir=tmp_path, settings=settings)
        assert ("variant   lr_high (4), lr_low (4)" in plan_text(launch)) is shown
        assert ("variant" in plan_text(launch)) is shown


def test_variants_that_train_the_same_are_a_likely_slip(tmp_path: Path) -> None:
    plan = planned(tmp_path, "variants: {one: {epochs: 3}, two: {learning_rate: 0.3}, three: {epochs: 3}}\n")
    assert len({cell.key for cell in plan.cells}) == len(plan.cells) == 12
    assert len({cell.trial_id for cell in plan.cells}) == 8
    (warning,) = plan.warnings
    assert warning == f"{tmp_path / 'study.yaml'}:8: variants.three: three trains the same as one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variants: {a: {lerning_rate: 1}}\n", r"study.yaml:8: variants.a.lerning_rate: unknown key; did you mean"),
        ("variants: {a: {learning_rate: -1}}\n", r"study.yaml:8: variants.a.learning_rate: must be greater than"),
        ("variants: {a: quik}\n", r"study.yaml:8: variants.a(.base)?: unknown recipe 'quik'; did you mean 'quick'"),
        ("variants: {a b: {epochs: 1}}\n", r"study.yaml:8: variants"),
        ("vary: {lerning_rate: [1]}\n", r"study.yaml:8: vary.lerning_rate(\[0\])?: unknown key; did you mean"),
        ("vary: {learning_rate: [0.1, -1]}\n", r"study.yaml:8: vary.learning_rate\[1\]: must be greater than"),
        ("vary: {learning_rate: []}\n", r"study.yaml:8: vary.learning_rate: must not be empty"),
        ("vary: {learning_rate: 0.1}\n", r"study.yaml:8: vary.learning_rate: must be a list"),
        ("vary: {epochs: [1, 2, 1]}\n", r"study.yaml:8: vary: repeated value 'epochs=1'"),
        (
            f"vary: {{epochs: {list(range(1, 200))}, batch_size: {list(range(1, 200))}}}\n",
            r"makes 39,601 variants; 10,000",
        ),
        (TWO + GRID, r"study.yaml:9: vary: give either variants or vary"),
        (TWO + "exclude: [{variant: lr_lo}]\n", r"'lr_lo' is not a variant of this sweep; did you mean 'lr_low'"),
        ("exclude: [{variant: lr_low}]\n", r"exclude\[0\].variant: this sweep has no variants"),
    ],
)
def test_a_wrong_variant_gets_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned(tmp_path, text)


@pytest.mark.parametrize(("text", "instead"), [(TWO, "variants.lr_low.learning_rate"), (GRID, "vary.learning_rate")])
def test_a_setting_does_not_make_variants_equal(tmp_path: Path, text: str, instead: str) -> None:
    with pytest.raises(UsageError, match=rf"learning_rate=0.3: variants set it; give --set {instead}=\.\.\. instead"):
        planned(tmp_path, text, "learning_rate=0.3")
    assert {cell.spec.recipe.epochs for cell in planned(tmp_path, text, "epochs=1").cells} == {1}


def test_a_grid_can_be_set(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID, "vary.learning_rate=[0.7]")
    assert {cell.spec.recipe.learning_rate for cell in plan.cells} == {0.7}
