"""Adaptive seeds in a sweep file: what is planned, how the looks share the error, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.results.looks import Looks
from fdt_core.results.plan_file import read_plan_file
from orchestrator.launch.prepare import new_launch
from orchestrator.plan.cells import SweepPlan, plan_from_json
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.run.run_directory import RunDirectory
from orchestrator.status.plan_text import plan_json, plan_text

SWEEP = """\
name: study
models: [vgg11]
width: 0.125
templates: [base, a, c]
datasets: [digits]
seeds: {}
recipe: {{base: quick, epochs: 3}}
"""


def planned(folder: Path, seeds: str, more: str = "", *, stop: bool = True) -> SweepPlan:
    file = folder / "study.yaml"
    file.write_text(SWEEP.format(seeds) + more)
    plan = plan_sweep(file)
    return plan if stop else plan.without_stops()


def looks_of(plan: SweepPlan) -> Looks:
    assert plan.looks is not None
    return plan.looks


def test_all_seeds_that_may_be_needed_are_planned_in_order(tmp_path: Path) -> None:
    plan = planned(tmp_path, "{from: 3, to: 20, looks: [3, 5, 8, 12, 20]}")
    assert [cell.spec.seed for cell in plan.cells] == sorted(list(range(20)) * 3)
    assert looks_of(plan).seeds == (3, 5, 8, 12, 20)
    assert (looks_of(plan).margin, looks_of(plan).error, looks_of(plan).stops) == (0.5, 0.05, True)


@pytest.mark.parametrize(
    ("seeds", "looks"),
    [
        ("{from: 3, to: 20}", (3, 5, 8, 13, 20)),
        ("{from: 3, to: 3}", (3,)),
        ("{from: 4, to: 5}", (4, 5)),
    ],
)
def test_by_default_the_seeds_of_the_looks_grow_by_a_factor(tmp_path: Path, seeds: str, looks: tuple[int, ...]) -> None:
    assert looks_of(planned(tmp_path, seeds)).seeds == looks


def test_the_error_is_shared_by_all_comparisons_of_the_study(tmp_path: Path) -> None:
    alone = looks_of(planned(tmp_path, "{from: 3, to: 9, until: {error: 0.1}}"))
    assert (alone.templates, alone.blocks) == (2, 1)
    of_four = looks_of(planned(tmp_path, "{from: 3, to: 9}", "variants: {x: {epochs: 1}, y: {epochs: 2}}\n"))
    assert of_four.blocks == 2
    assert np.all(np.array(of_four.levels) < np.array(alone.levels) / 2)
    without = looks_of(planned(tmp_path, "{from: 3, to: 9}", "exclude: [{template: c}]\n"))
    assert without.templates == 1


def test_a_filter_changes_no_level(tmp_path: Path) -> None:
    plan = planned(tmp_path, "{from: 3, to: 9}")
    assert plan.matching(["template=base,a"]).looks == plan.looks


def test_a_plan_is_stored_and_read(tmp_path: Path) -> None:
    plan = planned(tmp_path, "{from: 3, to: 9, looks: [3, 9]}")
    data = json.loads(json.dumps(plan.to_json()))
    assert plan_from_json(data) == plan
    assert data["plan_version"] == 2, "a reader that knows no looks would train every seed"
    fixed = planned(tmp_path, "3").to_json()
    assert fixed["plan_version"] == 1
    assert "looks" not in fixed


def test_an_older_reader_refuses_a_plan_with_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(planned(tmp_path, "{from: 3, to: 9}").to_json()))
    monkeypatch.setattr("fdt_core.results.plan_file.PLAN_VERSION", 1)
    with pytest.raises(EnvironmentProblem, match="has plan version 2, and this fdt-sweep reads versions up to 1"):
        read_plan_file(path)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("{form: 3, to: 5}", r"study.yaml:6: seeds.form: unknown key; did you mean 'from'\? \(known: from, to, looks,"),
        ("{first: 3, to: 5}", "seeds.first: unknown key"),
        ("{from: 5, to: 3}", r"seeds: from \(5\) must not exceed to \(3\)"),
        ("{from: 3, to: 9, looks: [3, 5]}", r"seeds: looks must rise from 3 \(from\) to 9 \(to\), not \[3, 5\]"),
        ("{from: 3, to: 9, looks: [3, 5, 5, 9]}", "seeds: looks must rise"),
        ("{from: 2, to: 9}", "seeds.from: must be greater than or equal to 3, not 2"),
        ("{from: 3}", "seeds.to: this key is missing"),
        ("{from: 3, to: 9, until: {magrin: 1}}", r"seeds.until.magrin: unknown key; did you mean 'margin'"),
        ("{from: 3, to: 9, until: {error: 0.7}}", "seeds.until.error: must be less than 0.5, not 0.7"),
        ("{from: 3, to: 20000}", "seeds.to: must be less than or equal to 10000"),
    ],
)
def test_wrong_seeds_get_one_clear_line(tmp_path: Path, seeds: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        planned(tmp_path, seeds)
    assert "\n" not in str(caught.value)


def test_comparisons_that_would_not_be_of_templates_alone_are_refused(tmp_path: Path) -> None:
    unlike = "overrides: [{where: {template: c}, learning_rate: 0.2}]\n"
    with pytest.raises(UsageError, match=r"vgg11 0\.125 digits: c is trained by another recipe than base"):
        planned(tmp_path, "{from: 3, to: 9}", unlike)
    planned(tmp_path, "9", unlike)
    with pytest.raises(UsageError, match="seeds: no template is compared with base: add it to the templates"):
        planned(tmp_path, "{from: 3, to: 9}", "exclude: [{template: base}]\n")


def test_blocks_without_base_are_warned_of(tmp_path: Path) -> None:
    text = "variants: {x: {epochs: 1}, y: {epochs: 2}}\nexclude: [{variant: y, template: base}]\n"
    (warning,) = planned(tmp_path, "{from: 3, to: 9}", text).warnings
    assert "1 block without base, such as vgg11 width 0.125 y digits: nothing is compared there" in warning


def test_without_stops_every_seed_is_wanted(tmp_path: Path) -> None:
    assert not looks_of(planned(tmp_path, "{from: 3, to: 9}", stop=False)).stops
    with pytest.raises(UsageError, match="--no-stop: this sweep has no adaptive seeds"):
        planned(tmp_path, "3", stop=False)


def test_a_plan_shows_the_least_the_likely_and_the_most(tmp_path: Path) -> None:
    planned(tmp_path, "{from: 3, to: 9, looks: [3, 9]}")
    settings = LaunchSettings(data_directory=str(tmp_path))
    launch = new_launch(tmp_path / "study.yaml", runs_dir=tmp_path, settings=settings)
    found = plan_json(launch)["adaptive_seeds"]
    assert isinstance(found, dict)
    assert (found["least"], found["most"]) == (9, 27)
    assert 9 < found["likely"] < 27
    assert found["least_device_hours"] < found["likely_device_hours"] < found["most_device_hours"]
    text = plan_text(launch)
    assert "sweep study: at most 27 trials" in text
    assert "looks     at 3 and 9 seeds; settled at a margin of 0.5 points; 5 % error for the whole study" in text
    assert "a guess, as nothing is measured in this run" in text
    assert plan_text(launch) == text, "the simulation draws the same numbers each time"
    assert not RunDirectory(tmp_path / "study").path.exists()
