"""Bad sweep files get one line that names file, key and the legal values, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from fdt_core.results.cell_filter import AxisValue
from orchestrator.plan.resolve import plan_sweep
from orchestrator.plan.sweep_file import load_sweep, selects

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
        pytest.param(changed("checkpoint_bandwidth", "0"), ["checkpoint_bandwidth", "greater than 0"], id="bandwidth"),
        pytest.param(changed("keep", "everything"), ["keep", "'final'"], id="keep"),
        pytest.param(changed("overrides", "[{epochs: 3}]"), ["overrides[0]", "where", "missing"], id="where"),
        pytest.param(
            changed("overrides", "[{where: {seed: 0}, recipe: 5, epochs: 3}]"), ["[0].recipe", "not 5"], id="no recipe"
        ),
        pytest.param(
            changed("overrides", "[{where: {seed: 0}, recipe: {epochs: 2}, epochs: 3}]"), ["epochs", "too"], id="twice"
        ),
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
    assert refusal(sweep_file, GOOD, "epochs") == "--set epochs: must have the form KEY=VALUE"


OVERRIDES = "overrides:\n  - where: {model: vgg11}\n    epochs: 3\nexclude: [{template: a, seed: 1}]\n"


@pytest.mark.process
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(["epochs=x"], '--set epochs=x: must be an integer, not "x"', id="type"),
        pytest.param(["epochs=-1"], "--set epochs=-1: must be greater than or equal to 1, not -1", id="recipe range"),
        pytest.param(["epochs=2", "recipe.epochs=0"], "--set recipe.epochs=0: must be", id="the last of two"),
        pytest.param(["epochz=1"], "--set epochz=1: unknown key; did you mean 'epochs'?", id="key"),
        pytest.param(["recipe.epochz=1"], "--set recipe.epochz=1: unknown key; did you mean 'epochs'?", id="field"),
        pytest.param(["recipe=fast"], "--set recipe=fast: ", id="recipe name"),
        pytest.param(["recipe.base=papr"], "--set recipe.base=papr: unknown recipe 'papr'", id="base"),
        pytest.param(["models=[vgg91]"], "--set models=[vgg91]: models[0]: unknown model 'vgg91'", id="model"),
        pytest.param(["templates=[z]"], "--set templates=[z]: templates[0]: unknown template 'z'", id="template"),
        pytest.param(["datasets=[digit]"], "--set datasets=[digit]: datasets[0]: unknown dataset", id="data set"),
        pytest.param(["momentum=0"], "--set momentum=0: nesterov needs a momentum above 0", id="with the base"),
        pytest.param(["milestones=[3,2]"], "--set milestones=[3,2]: milestones must rise strictly", id="list"),
        pytest.param(["budget.target=1"], "--set budget.target=1: vgg11 with template 'a'", id="budget out of reach"),
        pytest.param(["budget.rule=paper"], "--set budget.rule=paper: the rule 'paper'", id="rule"),
        pytest.param(["seeds=[4,4]"], "--set seeds=[4,4]: seeds[1]: repeated value 4", id="repeated value"),
        pytest.param(["seeds.x=1"], "--set seeds.x=1: seeds is not a mapping", id="key below a number"),
        pytest.param(
            ["overrides=[{epochs: 3}]"], "--set overrides=[{epochs: 3}]: overrides[0].where: this", id="where"
        ),
        pytest.param(
            ["overrides=[{where: {seed: 0}, epoch: 3}]"],
            "--set overrides=[{where: {seed: 0}, epoch: 3}]: overrides[0].epoch: unknown key; did you mean 'epochs'?",
            id="key of an override",
        ),
        pytest.param(["exclude=[{seed: '*'}]"], "--set exclude=[{seed: '*'}]: exclude[0].seed: ", id="exclude"),
        pytest.param(["exclude=[{model: '*'}]"], "--set exclude=[{model: '*'}]: leaves no trial", id="nothing left"),
        pytest.param(["recipe={epochs: 1, epochs: 2}"], "--set recipe={epochs: 1, epochs: 2}: epochs: re", id="twice"),
        pytest.param(["recipe={1: 2}"], "--set recipe={1: 2}: a key must be a plain word", id="number as key"),
        pytest.param(["name=!!binary aGk="], "--set name=!!binary aGk=: has the tag !!binary", id="tag"),
        pytest.param(["models=[vgg11"], "--set models=[vgg11: is not YAML", id="not YAML"),
        pytest.param(["name=a\x07b"], r"--set name=a\x07b: contains the character U+0007", id="control character"),
        pytest.param(["name=a\nb: c"], r"--set name=a\nb: c: ", id="line break"),
        pytest.param(
            ['name="\\x07"'], r"--set name=" + '"\\x07": contains the character', id="escaped control character"
        ),
        pytest.param(["a\x1b[1m=1"], r"--set a\x1b[1m=1: must have the form", id="control character in the key"),
        pytest.param(["epochs=" + "9" * 5000], "--set epochs=999", id="too many digits"),
        pytest.param(["recipe" + ".x" * 5000 + "=1"], "--set recipe.x.x", id="too many keys"),
        pytest.param(["models=" + "[" * 5000], "--set models=[[[", id="too deep"),
        pytest.param(
            ["resources.gpus=2", "resources.trials_per_gpu=2"],
            "--set resources.gpus=2, --set resources.trials_per_gpu=2: give either",
            id="two that do not go together",
        ),
    ],
)
def test_an_error_in_a_setting_names_the_setting_and_no_line_of_the_file(
    sweep_file: Path, settings: list[str], message: str
) -> None:
    found = refusal(sweep_file, GOOD + OVERRIDES, *settings)
    assert found.startswith(message), found
    assert str(sweep_file) not in found


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("width=1e9", "budget: vgg11 with template 'a'"),
        ("models=[vgg13]", "overrides[0].where.model: 'vgg11' is not a model of this sweep"),
        ("seeds=[0]", "exclude[0].seed: 1 is not a seed of this sweep"),
    ],
)
def test_where_setting_and_file_do_not_go_together_both_are_named(sweep_file: Path, setting: str, problem: str) -> None:
    found = refusal(sweep_file, GOOD + OVERRIDES, setting)
    assert found.startswith(f"--set {setting} over {sweep_file}: {problem}"), found


def test_a_fault_of_the_file_keeps_its_line_whatever_is_set_elsewhere(sweep_file: Path) -> None:
    text = GOOD + "overrides:\n  - where: {model: vgg11}\n    epochs: 3\n    batch_size: 0\n"
    found = refusal(sweep_file, text, "width=0.25", "learning_rate=0.2")
    assert found.startswith(f"{sweep_file}:11: overrides[0].recipe.batch_size: must be greater than or equal to 1")
    found = refusal(sweep_file, changed("recipe", "{milestones: [3, 2]}"), "epochs=9")
    assert found.startswith(f"{sweep_file}:7: recipe.milestones: milestones must rise strictly")


def test_overrides_on_the_command_line_are_read_as_in_a_file(sweep_file: Path) -> None:
    overrides = "[{where: {seed: 1}, epochs: 5, batch_size: 32}, {where: {template: a}, recipe: {epochs: 7}}]"
    sweep_file.write_text(GOOD + f"overrides: {overrides}\n")
    in_the_file = plan_sweep(sweep_file)
    sweep_file.write_text(GOOD)
    assert plan_sweep(sweep_file, [f"overrides={overrides}"]) == in_the_file
    assert {(cell.template, cell.spec.seed): cell.spec.recipe.epochs for cell in in_the_file.cells} == {
        ("base", 0): 1,
        ("a", 0): 7,
        ("base", 1): 5,
        ("a", 1): 7,
    }
    last = plan_sweep(sweep_file, [f"overrides={overrides}", "epochs=2"])
    assert {cell.spec.recipe.epochs for cell in last.cells} == {2}


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
    cell: dict[str, AxisValue] = {"model": "resnet50", "template": "a", "dataset": "digits", "seed": 2}
    assert selects({"model": "resnet*", "seed": (1, 2)}, cell)
    assert not selects({"model": "resnet*", "seed": (0, 1)}, cell)


def test_a_count_of_seeds_begins_at_zero(sweep_file: Path) -> None:
    sweep_file.write_text(GOOD)
    _, sweep = load_sweep(sweep_file)
    assert sweep.seed_list == (0, 1)
