"""Bad sweep files get one line that names file, key and the legal values, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from orchestrator.plan import plan_sweep
from orchestrator.sweep_file import load_sweep, selects

GOOD = """\
name: study
models: [vgg11]
width: 0.125
templates: [base, a]
datasets: [digits]
seeds: 2
recipe: {base: quick, epochs: 1}
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    return tmp_path / "study.yaml"


def refusal(sweep_file: Path, text: str, *settings: str) -> str:
    """The message with which planning refuses the file; it must name the file or the setting, in one line."""
    sweep_file.write_text(text)
    with pytest.raises(UsageError) as caught:
        plan_sweep(sweep_file, settings)
    message = str(caught.value)
    assert "\n" not in message
    assert str(sweep_file) in message or "--set" in message
    return message


def changed(key: str, value: str) -> str:
    """The good file with one key changed or added."""
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key}:")]
    return "\n".join([*lines, f"{key}: {value}"]) + "\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param(changed("modles", "[vgg11]"), [":8:", "modles", "did you mean 'models'?", "known:"], id="key"),
        pytest.param(GOOD + "name: again\n", [":8:", "name", "repeated key", "line 1"], id="repeated key"),
        pytest.param(changed("templates", "[base, z]"), ["templates[1]", "'z'", "known: base, a"], id="template"),
        pytest.param(changed("models", "[vgg91]"), ["models[0]", "did you mean 'vgg19'?"], id="model"),
        pytest.param(changed("datasets", "[cifar]"), ["datasets[0]", "'cifar'", "cifar10"], id="dataset"),
        pytest.param(changed("budget", "{rule: closest}"), ["budget.rule", "'nearest'"], id="rule"),
        pytest.param(changed("exclude", "[{modell: vgg11}]"), ["exclude[0]", "did you mean 'model'?"], id="axis"),
        pytest.param(changed("exclude", "[{model: vgg13}]"), ["exclude[0].model", "vgg11"], id="excluded value"),
        pytest.param(changed("seeds", "[0, -1]"), ["seeds[1]", "-1"], id="negative seed"),
        pytest.param(changed("seeds", "[3, 3]"), ["seeds[1]", "repeated value 3"], id="repeated seed"),
        pytest.param(changed("seeds", "0"), ["seeds", "0"], id="no seeds"),
        pytest.param(changed("seeds", "10001"), ["seeds", "10000"], id="too many seeds"),
        pytest.param(changed("models", "[vgg11, vgg11]"), ["models[1]", "repeated value"], id="repeated model"),
        pytest.param(changed("width", "wide"), ["width", '"wide"'], id="type"),
        pytest.param(changed("width", "-1"), ["width", "greater than 0"], id="range"),
        pytest.param(changed("recipe", "{epochs: -1}"), ["recipe", "epochs", "-1"], id="recipe range"),
        pytest.param(changed("recipe", "{epochz: 1}"), ["recipe", "epochz", "did you mean 'epochs'?"], id="recipe key"),
        pytest.param(changed("recipe", "{epochs: many}"), ["recipe", "epochs"], id="recipe type"),
        pytest.param(changed("recipe", "fast"), ["recipe", "fast", "quick"], id="recipe name"),
        pytest.param(changed("name", "../evil"), ["name", "../evil"], id="path as name"),
        pytest.param(changed("models", "[]"), ["models", "empty"], id="empty list"),
        pytest.param("", ["empty"], id="empty file"),
        pytest.param("- vgg11\n", ["mapping", "list"], id="list at the top"),
        pytest.param("models: [vgg11\n", ["not YAML"], id="not YAML"),
        pytest.param("name: !!python/object:os.system x\n", ["python/object", "plain YAML"], id="Python tag"),
        pytest.param(changed("exclude", "[{model: vgg11}]"), ["exclude", "no trial"], id="nothing left"),
        pytest.param(changed("schema_version", "2"), ["schema_version", "1"], id="schema version"),
        pytest.param(
            changed("resources", "{gpus: 2}"), [":8:", "resources.gpus", "must be 1", "one GPU"], id="several GPUs"
        ),
        pytest.param(changed("resources", "{gpus: 2, trials_per_gpu: 2}"), ["resources", "not both"], id="resources"),
        pytest.param(changed("checkpoint_interval", "-1"), ["checkpoint_interval"], id="interval"),
        pytest.param(changed("keep", "everything"), ["keep", "'final'"], id="keep"),
        pytest.param(changed("overrides", "[{epochs: 3}]"), ["overrides[0]", "where", "missing"], id="where"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_the_legal_values(
    sweep_file: Path, text: str, parts: list[str]
) -> None:
    message = refusal(sweep_file, text)
    assert all(part in message for part in parts), message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: cannot be read: No such file"):
        plan_sweep(tmp_path / "nowhere.yaml")


def test_a_bad_setting_is_refused(sweep_file: Path) -> None:
    assert "must have the form key=value" in refusal(sweep_file, GOOD, "epochs")
    assert "epochs" in refusal(sweep_file, GOOD, "epochs=-1")


def test_numbers_are_read_as_people_write_them(sweep_file: Path) -> None:
    sweep_file.write_text(changed("recipe", "{base: quick, learning_rate: 1e-3, weight_decay: 5e-4}"))
    recipe = plan_sweep(sweep_file).cells[0].spec.recipe
    assert (recipe.learning_rate, recipe.weight_decay) == (0.001, 0.0005)


def test_settings_reach_the_recipe_with_and_without_its_name(sweep_file: Path) -> None:
    sweep_file.write_text(changed("recipe", "quick"))
    short = plan_sweep(sweep_file, ["epochs=3"])
    long = plan_sweep(sweep_file, ["recipe.epochs=3"])
    assert short == long
    assert {cell.spec.recipe.epochs for cell in short.cells} == {3}


def test_overrides_apply_where_they_say_and_the_last_wins(sweep_file: Path) -> None:
    text = changed("models", "[vgg11, resnet18]")
    text += "overrides:\n  - {where: {model: 'resnet*'}, epochs: 5}\n  - {where: {seed: 1}, recipe: {epochs: 7}}\n"
    sweep_file.write_text(text)
    epochs = {(cell.spec.model, cell.spec.seed): cell.spec.recipe.epochs for cell in plan_sweep(sweep_file).cells}
    assert epochs == {("vgg11", 0): 1, ("vgg11", 1): 7, ("resnet18", 0): 5, ("resnet18", 1): 7}


def test_what_the_command_line_sets_holds_for_every_cell(sweep_file: Path) -> None:
    text = (
        changed("models", "[vgg11, resnet18]") + "overrides: [{where: {model: 'resnet*'}, epochs: 5, batch_size: 32}]\n"
    )
    sweep_file.write_text(text)
    recipes = {cell.spec.model: cell.spec.recipe for cell in plan_sweep(sweep_file, ["epochs=2"]).cells}
    assert (recipes["vgg11"].epochs, recipes["resnet18"].epochs) == (2, 2)
    assert recipes["resnet18"].batch_size == 32


def test_exclusions_are_counted(sweep_file: Path) -> None:
    sweep_file.write_text(changed("exclude", "[{template: a, seed: 1}]"))
    plan = plan_sweep(sweep_file)
    assert len(plan.cells) == 3
    assert [(exclusion.rule, exclusion.cells) for exclusion in plan.excluded] == [({"template": "a", "seed": 1}, 1)]


def test_selectors_take_lists_and_wildcards() -> None:
    cell = {"model": "resnet50", "template": "a", "dataset": "digits", "seed": 2}
    assert selects({"model": "resnet*", "seed": (1, 2)}, cell)
    assert not selects({"model": "resnet*", "seed": (0, 1)}, cell)


def test_a_count_of_seeds_begins_at_zero(sweep_file: Path) -> None:
    sweep_file.write_text(GOOD)
    _, sweep = load_sweep(sweep_file)
    assert sweep.seed_list == (0, 1)
