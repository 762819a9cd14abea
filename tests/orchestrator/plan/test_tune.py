"""The key `tune`: what it may say, the candidates that it makes, and what is planned for them."""

from __future__ import annotations

import importlib.util
import json
import math
from collections import Counter
from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from fdt_core.results.tuning import COMPARED, TUNED
from orchestrator.plan.candidates import Distribution, Kind, distribution, drawn_candidates
from orchestrator.plan.cells import SweepPlan, plan_from_json
from orchestrator.plan.resolve import plan_sweep
from orchestrator.plan.tune import FIRST_TUNING_SEED

SWEEP = """\
name: tuned
models: [vgg11]
width: 0.125
templates: [base, a]
datasets: [digits]
seeds: 3
recipe: {base: quick, epochs: 9, cutout: 0}
tune: TUNE
"""
GRID = "{vary: {learning_rate: [0.05, 0.1], weight_decay: [0.0, 1.0e-4]}}"
DRAWN = "{sample: {learning_rate: log(0.01, 0.5), trials: 9}, seeds: 2, halving: {factor: 3, first: 1}}"


def planned(directory: Path, tune: str, *settings: str, text: str = SWEEP) -> SweepPlan:
    file = directory / "sweep.yaml"
    file.write_text(text.replace("TUNE", tune))
    return plan_sweep(file, settings)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> SweepPlan:
    return planned(tmp_path_factory.mktemp("plan"), DRAWN)


def test_every_template_gets_the_same_candidates_and_each_point_of_the_comparison_one_of_them(plan: SweepPlan) -> None:
    tuning = plan.tuning
    assert tuning is not None
    assert len(tuning.candidates) == 9
    tuned = [cell for cell in plan.cells if cell.stage == TUNED]
    assert Counter((cell.template, cell.candidate) for cell in tuned) == {
        (template, candidate): 2 for template in ("base", "a") for candidate in tuning.candidates
    }
    compared = Counter(cell.point for cell in plan.cells if cell.stage == COMPARED)
    assert set(compared.values()) == {9}
    assert len(compared) == 6
    assert plan.cells[: len(tuned)] == tuple(tuned), "what is needed first runs first"


def test_candidates_are_judged_by_held_out_images_at_the_rungs_and_compared_on_all_training_images(
    plan: SweepPlan,
) -> None:
    by_stage = {cell.stage: cell for cell in plan.cells}
    tuned, compared = by_stage[TUNED].spec.recipe, by_stage[COMPARED].spec.recipe
    assert (tuned.validation, tuned.evaluate_test, tuned.evaluate_at) == (0.1, False, (1, 3))
    assert (compared.validation, compared.evaluate_test, compared.evaluate_at) == (0.0, True, ())
    assert by_stage[TUNED].rungs == (1, 3, 9)
    for cell in plan.cells:
        assert cell.candidate == f"learning_rate={cell.spec.recipe.learning_rate:g}"


def test_tuning_has_seeds_of_its_own(plan: SweepPlan) -> None:
    seeds = {stage: {cell.spec.seed for cell in plan.cells if cell.stage == stage} for stage in (TUNED, COMPARED)}
    assert seeds == {TUNED: {FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1}, COMPARED: {0, 1, 2}}


def test_the_frozen_plan_tunes_too_and_an_older_reader_refuses_it(plan: SweepPlan) -> None:
    frozen = json.loads(json.dumps(plan.to_json()))
    assert frozen["plan_version"] == 3
    assert plan_from_json(frozen) == plan


def test_tpe_has_a_pool_to_choose_from_that_begins_with_the_candidates_drawn_at_random(tmp_path: Path) -> None:
    drawn, sampled = (
        planned(tmp_path, DRAWN.replace("trials: 9", f"trials: 9{more}")) for more in ("", ", sampler: tpe")
    )
    assert drawn.tuning is not None
    assert sampled.tuning is not None
    assert sampled.tuning.tpe is not None
    assert len(sampled.tuning.candidates) == 4 * 9
    assert sampled.tuning.candidates[:9] == drawn.tuning.candidates
    assert [sampled.tuning.places(rung) for rung in (1, 2)] == [3, 1]
    rates = [float(name.removeprefix("learning_rate=")) for name in sampled.tuning.candidates]
    assert [place for (place,) in sampled.tuning.tpe.points] == pytest.approx(
        [math.log(rate / 0.01) / math.log(50) for rate in rates]
    )
    assert plan_from_json(json.loads(json.dumps(sampled.to_json()))) == sampled


def test_a_space_with_few_candidates_is_a_smaller_pool(tmp_path: Path) -> None:
    space = "weight_decay: [0.0, 1.0e-4], batch_size: int(8, 10), trials: 5, sampler: tpe"
    tuning = planned(tmp_path, f"{{sample: {{{space}}}}}").tuning
    assert tuning is not None
    assert tuning.tpe is not None
    assert (len(tuning.candidates), tuning.trials, tuning.tpe.choices) == (6, 5, (0, 2))
    assert {point[0] for point in tuning.tpe.points} == {0.0, 0.5, 1.0}


def test_without_optuna_a_sweep_that_needs_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"tune\.sample\.sampler: tpe needs Optuna: pip install 'fdt-sweep\[tpe\]'"):
        planned(tmp_path, DRAWN.replace("trials: 9", "trials: 9, sampler: tpe"))


def test_more_trials_and_more_fields_leave_the_first_candidates_alone() -> None:
    space = {"learning_rate": Distribution(kind=Kind.LOG, low=0.01, high=0.5)}
    few, many = (drawn_candidates(space, trials=trials, seed=0) for trials in (5, 12))
    assert many[:5] == few
    both = drawn_candidates(space | {"momentum": [0.8, 0.9]}, trials=5, seed=0)
    assert [each.recipe["learning_rate"] for each in both] == [each.recipe["learning_rate"] for each in few]
    assert drawn_candidates(space, trials=5, seed=1) != few


def test_numbers_are_drawn_between_the_limits_as_the_distribution_says() -> None:
    drawn = drawn_candidates({"learning_rate": distribution("log(0.01, 1)", "it")}, trials=800, seed=0)
    values = sorted(float(str(each.recipe["learning_rate"])) for each in drawn)
    assert 0.01 <= values[0] < 0.011
    assert 0.9 < values[-1] <= 1.0
    assert math.isclose(values[400], 0.1, rel_tol=0.15), "half of the draws are below the middle of the logarithm"
    whole = {
        each.recipe["batch_size"]
        for each in drawn_candidates({"batch_size": distribution("int(8, 11)", "it")}, trials=4, seed=0)
    }
    assert whole == {8, 9, 10, 11}
    for value in (
        each.recipe["momentum"]
        for each in drawn_candidates({"momentum": distribution("uniform(0.8, 0.99)", "it")}, trials=50, seed=0)
    ):
        assert 0.8 <= float(str(value)) <= 0.99
        assert len(str(value)) <= 6


def test_a_grid_makes_every_combination_a_candidate_and_trains_each_to_its_end(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID)
    assert plan.tuning is not None
    assert plan.tuning.candidates == (
        "learning_rate=0.05/weight_decay=0.0",
        "learning_rate=0.05/weight_decay=0.0001",
        "learning_rate=0.1/weight_decay=0.0",
        "learning_rate=0.1/weight_decay=0.0001",
    )
    assert plan.tuning.factor is None
    assert {cell.rungs for cell in plan.cells} == {(9,)}


def test_variants_are_tuned_one_by_one(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID + "\nvariants: {plain: {}, smooth: {label_smoothing: 0.1}}")
    assert plan.tuning is not None
    groups = {cell.group(plan.tuning) for cell in plan.cells}
    assert len(groups) == 4, "two variants of two templates"


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        (
            "{vary: {learning_rate: [0.1, 0.2]}, select: test}",
            "tune.select: must be validation (settings chosen by test",
        ),
        ("{vary: {learning_rate: [0.1, 0.2]}, select: loss}", "tune.select: must be 'validation'"),
        ("{vary: {learning_rate: [0.1]}}", "tune: a single candidate leaves nothing to choose"),
        ("{vary: {learning_rate: [0.1, 0.1]}}", "tune: repeated candidate learning_rate=0.1"),
        ("{vary: {learning_rat: [0.1, 0.2]}}", "'learning_rat' is no field of a recipe; did you mean 'learning_rate'"),
        ("{vary: {learning_rate: [0.1, -1]}}", "tune.vary.learning_rate[1]: must be greater than 0"),
        ("{vary: {epochs: [5, 9]}}", "epochs cannot be tuned: candidates must have the same budget"),
        ("{vary: {validation: [0.1, 0.2]}}", "validation cannot be tuned"),
        ("{}", "tune: give either vary or sample"),
        ("{vary: {momentum: [0.8, 0.9]}, sample: {learning_rate: log(1, 2), trials: 2}}", "give either vary or sample"),
        ("{sample: {learning_rate: log(0.01, 0.5)}}", "trials must be a number of candidates from 2 to 1000"),
        ("{sample: {learning_rate: log(0.01, 0.5), trials: 1}}", "trials must be a number of candidates"),
        ("{sample: {trials: 4}}", "names no field of a recipe"),
        ("{sample: {learning_rate: log(0, 0.5), trials: 4}}", "the lower limit of log must be above 0"),
        ("{sample: {learning_rate: log(0.5, 0.1), trials: 4}}", "the lower limit must be below the upper one"),
        ("{sample: {learning_rate: lognormal(1, 2), trials: 4}}", "learning_rate must be log(LOW, HIGH)"),
        ("{sample: {batch_size: int(1.5, 4), trials: 2}}", "the limits of int must be whole numbers"),
        ("{sample: {learning_rate: log(a, b), trials: 4}}", "the limits must be numbers"),
        ("{sample: {learning_rate: 0.1, trials: 4}}", "learning_rate must be log(LOW, HIGH)"),
        ("{sample: {nesterov: [true, false], trials: 4}}", "has only 2 different candidates, and trials asks for 4"),
        ("{sample: {learning_rate: log(0.01, 0.5), trials: 4, sampler: grid}}", "sampler must be random or tpe"),
        (
            "{sample: {learning_rate: log(0.01, 0.5), trials: 251, sampler: tpe}}",
            "trials must be a number of candidates from 2 to 250 (sampler: tpe)",
        ),
        (
            "{sample: {learning_rate: log(0.01, 0.5), trials: 4, sampler: TPE}}",
            "sampler must be random or tpe, not 'TPE'; did you mean 'tpe'",
        ),
        (
            "{sample: {learning_rate: log(0.01, 0.5), trials: 4, samplr: tpe}}",
            "'samplr' is no field of a recipe; did you mean 'sampler'",
        ),
        ("{vary: {learning_rate: [0.1, 0.2], trials: [4]}}", "'trials' is no field of a recipe"),
        ("{sample: {learning_rate: [0.1, 0.1, 0.2], cutout: [0, 4], trials: 3}}", "learning_rate: repeated value"),
        ("{vary: {learning_rate: [0.1, 0.2]}, halving: {first: 9}}", "tune.halving.first: must be below the epochs, 9"),
        ("{vary: {learning_rate: [0.1, 0.2]}, halving: {first: 1, factor: 1}}", "tune.halving.factor"),
        ("{vary: {learning_rate: [0.1, 0.2]}, per: [model]}", "tune.per: must be [model, template, dataset]"),
        ("{vary: {learning_rate: [0.1, 0.2]}, validation: 0.9}", "tune.validation: must be less than or equal to 0.5"),
        ("{vary: {weight_decay: [0, 0.0]}}", "tune: repeated candidate weight_decay=0"),
        ("{sample: {learning_rate: uniform(-1.0e+308, 1.0e+308), trials: 2}}", "learning_rate: 'uniform("),
        (
            GRID + "\noverrides: [{where: {template: a}, epochs: 27}]\n",
            "tune: vgg11 width 0.125 digits: overrides give",
        ),
        (GRID + "\noverrides: [{where: {seed: 0}, label_smoothing: 0.1}]\n", "other recipes by seed or template"),
        (GRID + "\nvary: {learning_rate: [0.3, 0.4]}", "tune.vary.learning_rate: is set by the variants, too"),
        (
            "{vary: {learning_rate: [0.1, 0.2]}, per: [model, dataset]}\nexclude: [{template: base}]",
            "needs the template base",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_its_place(tmp_path: Path, tune: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        planned(tmp_path, tune)
    assert message in str(refused.value)
    assert "sweep.yaml:8" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_does_not_fit_the_rest_of_the_file_is_refused(tmp_path: Path) -> None:
    adaptive = SWEEP.replace("seeds: 3", "seeds: {from: 3, to: 5}")
    with pytest.raises(UsageError, match=r"tune: needs a number of seeds, or a list, not adaptive ones"):
        planned(tmp_path, GRID, text=adaptive)
    taken = SWEEP.replace("seeds: 3", f"seeds: [0, {FIRST_TUNING_SEED}]")
    with pytest.raises(UsageError, match=r"seeds: must be below 1,000,000: 1,000,000 is a seed that tuning uses"):
        planned(tmp_path, GRID, text=taken)
    with pytest.raises(UsageError, match=r"learning_rate=0.3: tuning sets it; give --set tune.vary.learning_rate="):
        planned(tmp_path, GRID, "learning_rate=0.3")


def test_a_filter_by_seed_chooses_seeds_of_the_comparison_and_a_limit_would_cut_the_tuning_short(
    plan: SweepPlan,
) -> None:
    one = plan.matching(["seed=0"])
    assert Counter(cell.stage for cell in one.cells) == {TUNED: 36, COMPARED: 18}
    assert {cell.template for cell in plan.matching(["template=a"]).cells} == {"a"}
    with pytest.raises(UsageError, match="--limit: this sweep tunes"):
        plan.first(3)


def test_excluded_trials_are_counted_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID + "\nexclude: [{template: a}]")
    assert [exclusion.cells for exclusion in plan.excluded] == [3]


def test_what_tuning_sets_is_no_field_of_a_sweep_file_and_what_is_tuned_has_no_other_value(tmp_path: Path) -> None:
    for field in ("evaluate_test: false, validation: 0.1", "evaluate_at: [3]"):
        with pytest.raises(UsageError, match="is set by tuning alone"):
            planned(tmp_path, GRID, text=SWEEP.replace("cutout: 0", f"cutout: 0, {field}"))
    plan = planned(tmp_path, GRID, text=SWEEP.replace("cutout: 0", "cutout: 0, learning_rate: 0.3, validation: 0.2"))
    assert [text for text in plan.warnings if "recipe.learning_rate: does nothing: it is tuned" in text]
    assert {cell.spec.recipe.validation for cell in plan.cells} == {0.2}, "the recipe's own part is held out"


def test_a_filter_keeps_the_tuning_of_base_for_the_template_that_it_keeps(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID[:-1] + ", per: [model, dataset]}").matching(["template=a"])
    assert Counter((cell.stage, cell.template) for cell in plan.cells) == {(TUNED, "base"): 4, (COMPARED, "a"): 12}


def test_a_drawn_number_is_not_rounded_beyond_its_limits() -> None:
    assert distribution("log(0.012345, 0.012349)", "it").draw(0.99) == 0.012349
