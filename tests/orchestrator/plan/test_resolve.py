"""The plan: what a sweep file resolves to."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from fdt_core.errors import UsageError
from fdt_core.results.columns import PLANNED_COLUMNS
from orchestrator.plan.cells import plan_from_json
from orchestrator.plan.resolve import plan_sweep
from tests.fdt_core.paper_networks import RECONSTRUCTED_PARAMS

SWEEPS = Path(__file__).parents[3] / "sweeps"


def _marked(sweep: Path) -> Any:
    """The sweeps of the zoo trace their networks, for seconds."""
    return pytest.param(sweep, id=sweep.stem, marks=[pytest.mark.trainer] if "zoo" in sweep.stem else [])


@pytest.mark.parametrize("path", [_marked(sweep) for sweep in sorted(SWEEPS.glob("*.yaml"))])
def test_every_shipped_sweep_says_what_it_asks_and_plans(path: Path) -> None:
    assert path.read_text().startswith("# Question: ")
    plan = plan_sweep(path)
    assert plan.name == path.stem
    assert plan_from_json(json.loads(json.dumps(plan.to_json())), path) == plan


def test_the_paper_has_144_trials_with_the_published_parameter_counts() -> None:
    trials: Any = plan_sweep(SWEEPS / "paper.yaml").to_json()["trials"]
    assert len(trials) == len({trial["trial_id"] for trial in trials}) == 144
    small = [trial for trial in trials if trial["dataset"] in ("cifar10", "cinic10")]
    assert len(small) == 72
    assert all(trial["params"] == RECONSTRUCTED_PARAMS[trial["model"], trial["template"]] for trial in small)


def test_the_paper_trains_by_each_data_sets_own_schedule() -> None:
    recipes = {cell.spec.dataset: cell.spec.recipe for cell in plan_sweep(SWEEPS / "paper.yaml").cells}
    assert (recipes["cifar10"].epochs, recipes["cifar10"].batch_size) == (200, 128)
    assert recipes["cifar100"] == recipes["cifar10"] == recipes["cinic10"]
    assert (recipes["tinyimagenet"].epochs, recipes["tinyimagenet"].batch_size) == (90, 64)
    assert recipes["tinyimagenet"].milestones == (45, 70, 85)


def test_all_cells_get_their_first_seed_before_any_gets_its_second() -> None:
    cells = plan_sweep(SWEEPS / "paper.yaml").cells
    assert [cell.spec.seed for cell in cells] == [0] * 48 + [1] * 48 + [2] * 48


def test_within_a_seed_the_longest_trials_come_first() -> None:
    cells = plan_sweep(SWEEPS / "demo.yaml").cells[:12]
    work = [cell.cost.macs * cell.spec.recipe.epochs for cell in cells]
    assert work == sorted(work, reverse=True)


def test_identities_do_not_depend_on_the_order_or_the_format_of_the_file(tmp_path: Path) -> None:
    given = yaml.safe_load((SWEEPS / "demo.yaml").read_text())
    items = list(given.items())
    random.Random(3).shuffle(items)
    shuffled = tmp_path / "demo.yaml"
    shuffled.write_text(json.dumps(dict(items), indent=3))
    assert plan_sweep(shuffled) == plan_sweep(SWEEPS / "demo.yaml")


def test_identities_depend_on_what_decides_the_numbers_and_on_nothing_else() -> None:
    def ids(*settings: str) -> set[str]:
        return {cell.trial_id for cell in plan_sweep(SWEEPS / "demo.yaml", settings).cells}

    plain = ids()
    assert ids("name=other", "keep=all", "checkpoint_interval=7", "checkpoint_bandwidth=50") == plain
    for setting in ("epochs=1", "learning_rate=0.2", "resources.cpus=2", "recipe.validation=0.1", "precision=bf16"):
        assert not ids(setting) & plain, setting


@pytest.mark.parametrize(("key", "usual", "other"), [("report_interval", 10, 5), ("checkpoint_bandwidth", 1000, 50)])
def test_a_plan_names_an_added_key_only_if_it_is_set_to_something_else(key: str, usual: int, other: int) -> None:
    for value, named in ((usual, False), (other, True)):
        plan = plan_sweep(SWEEPS / "demo.yaml", [f"{key}={value}"])
        data = plan.to_json()
        assert (key in data) == named
        assert plan_from_json(data) == plan
        assert getattr(plan, key) == value


def test_cells_with_the_same_widths_are_one_trial(tmp_path: Path) -> None:
    file = tmp_path / "twins.yaml"
    file.write_text(
        "name: twins\nmodels: [vgg11]\nwidth: 0.125\ndatasets: [digits]\nseeds: 1\n"
        "templates: [base, {name: copy, widths: [8, 16, 32, 32, 64, 64, 64, 64]}]\n"
    )
    first, second = plan_sweep(file).cells
    assert first.trial_id == second.trial_id
    assert first.key != second.key


@pytest.mark.study
def test_ten_thousand_trials_plan_in_seconds(tmp_path: Path) -> None:
    import time

    file = tmp_path / "large.yaml"
    file.write_text(
        "name: large\nmodels: [vgg11, vgg19]\nwidth: 0.125\ntemplates: [base, a, b, c, e]\n"
        "datasets: [digits, cifar10]\nseeds: 500\n"
    )
    started = time.process_time()
    assert len(plan_sweep(file).cells) == 10_000
    assert time.process_time() - started < 10


def test_the_columns_that_a_plan_decides_are_known() -> None:
    assert set(plan_sweep(SWEEPS / "demo.yaml").cells[0].columns()) == set(PLANNED_COLUMNS)


def test_the_papers_rule_is_refused_for_other_data_sets() -> None:
    with pytest.raises(UsageError, match=r"budget: the rule 'paper' is for the paper's data sets .*, not digits"):
        plan_sweep(SWEEPS / "demo.yaml", ["budget.rule=paper", "width=1.0"])


SMALL = "name: small\nmodels: [vgg11]\nwidth: 0.125\ntemplates: [base]\ndatasets: [DATASET]\nseeds: 1\n"


@pytest.mark.parametrize(
    ("recipe", "place"),
    [
        ("recipe: {base: quick, validation: 0.9999}\n", r"small\.yaml:7: recipe"),
        (
            "recipe: quick\noverrides: [{where: {dataset: digits}, recipe: {validation: 0.9999}}]\n",
            r"small\.yaml:8: overrides\[0\]\.recipe",
        ),
    ],
)
def test_a_validation_that_leaves_no_training_image_is_refused_with_its_line(
    tmp_path: Path, recipe: str, place: str
) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL.replace("DATASET", "digits") + recipe)
    with pytest.raises(UsageError, match=f"{place}.*holds out 1,437 of 1,437 training images: none is left"):
        plan_sweep(file)
    assert plan_sweep(file, ["recipe.validation=0.999"] if "overrides" not in recipe else ["overrides=[]"]).cells


def test_a_test_part_that_leaves_no_training_image_is_refused(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).touch()
    (tmp_path / "datasets.yaml").write_text("pets: {folder: own, size: 16, test_part: 0.8}\n")
    file = tmp_path / "small.yaml"
    file.write_text(SMALL.replace("DATASET", "pets"))
    with pytest.raises(UsageError, match=r"small\.yaml:5: .*datasets\.yaml:1: pets\.test_part: .* no training image"):
        plan_sweep(file, data_dir=tmp_path)
