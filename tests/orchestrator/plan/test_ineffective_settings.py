"""`plan` shows settings without effect, each with its place, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.sweeps import fdt_sweep
from orchestrator.launch.prepare import new_launch
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.status.plan_text import plan_json, plan_text

SWEEPS = Path(__file__).parents[3] / "sweeps"
HEAD = "name: study\nmodels: [vgg11]\nwidth: 0.125\ntemplates: [base]\ndatasets: [digits]\nseeds: 2\n"


def warnings(folder: Path, text: str, *settings: str) -> list[str]:
    """The warnings of a plan, the file's name cut off."""
    file = folder / "study.yaml"
    file.write_text(HEAD + text)
    return [warning.removeprefix(str(file)) for warning in plan_sweep(file, settings).warnings]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "recipe: {epochs: 100, cutout: 0}\n",
            ":7: recipe.epochs: milestones 120, 160 do nothing in a training of 100 epochs (digits)",
        ),
        (
            "recipe: {epochs: 9, milestones: [3, 9], cutout: 0}\n",
            ":7: recipe.milestones: milestones 9 do nothing in a training of 9 epochs (digits)",
        ),
        (
            "recipe: {base: quick, batch_size: 359}\n",
            ":7: recipe.batch_size: batches of 359 leave a last one of a single image of digits, "
            "on which BatchNorm fails where maps have one pixel",
        ),
        (
            "recipe: {base: quick, batch_size: 34, validation: 0.1}\n",
            ":7: recipe.batch_size: batches of 34 leave a last one of a single image of digits, "
            "on which BatchNorm fails where maps have one pixel",
        ),
        ("recipe: {schedule: cosine, gamma: 0.5}\n", ":7: recipe.gamma: gamma does nothing with the schedule cosine"),
        (
            "recipe: {base: quick, milestones: [1]}\n",
            ":7: recipe.milestones: milestones does nothing with the schedule one_cycle",
        ),
        (
            "recipe: {schedule: constant, one_cycle_rise: 0.5}\n",
            ":7: recipe.one_cycle_rise: one_cycle_rise does nothing with the schedule constant",
        ),
        (
            "recipe:\n  base: quick\n  warmup_epochs: 1\n",
            ":9: recipe.warmup_epochs: warmup_epochs does nothing with the schedule one_cycle, which warms up",
        ),
        (
            "recipe: {schedule: cosine, epochs: 5, warmup_epochs: 5}\n",
            ":7: recipe.warmup_epochs: a warm-up of 5 epochs leaves no epoch at the full learning rate in a training "
            "of 5 epochs (digits)",
        ),
        (
            "recipe: {base: quick, cutout: 32}\n",
            ":7: recipe.cutout: a cutout of 32 pixels can hide whole images of digits, which are 32 pixels wide",
        ),
        ("recipe: {betas: [0.9, 0.95]}\n", ":7: recipe.betas: betas does nothing with the optimiser sgd"),
        ("recipe: {eps: 1e-6}\n", ":7: recipe.eps: eps does nothing with the optimiser sgd"),
        (
            "recipe: {base: modern, momentum: 0.8}\n",
            ":7: recipe.momentum: momentum does nothing with the optimiser adamw",
        ),
        (
            "recipe: {optimiser: adamw, nesterov: true}\n",
            ":7: recipe.nesterov: nesterov does nothing with the optimiser adamw",
        ),
        ("recipe: {crop_scale: [0.2, 1]}\n", ":7: recipe.crop_scale: crop_scale does nothing with the crop pad"),
        ("recipe: {crop_ratio: [1, 2]}\n", ":7: recipe.crop_ratio: crop_ratio does nothing with the crop pad"),
        (
            "recipe: {crop: random_resized, crop_padding: 2}\n",
            ":7: recipe.crop_padding: crop_padding does nothing with the crop random_resized",
        ),
        (
            "recipe: quick\noverrides: [{where: {seed: 1}, gamma: 0.5}]\n",
            ":8: overrides[0].recipe.gamma: gamma does nothing with the schedule one_cycle",
        ),
        (
            "recipe: quick\noverrides: [{where: {seed: 1}, epochs: 2}]\nexclude: [{seed: 1}]\n",
            ":8: overrides[0]: selects no trial",
        ),
    ],
)
def test_what_does_nothing_is_shown_with_its_place(tmp_path: Path, text: str, warning: str) -> None:
    assert warnings(tmp_path, text) == [warning]


@pytest.mark.parametrize(
    "text",
    [
        "recipe: paper\n",
        "recipe: quick\n",
        "recipe: {epochs: 200, milestones: [60, 120, 199]}\n",
        "recipe: {schedule: cosine, epochs: 5, warmup_epochs: 4}\n",
        "recipe: {schedule: constant}\n",
        "recipe: modern\n",
        "recipe: {optimiser: adamw, betas: [0.9, 0.95], eps: 1e-6}\n",
        "recipe: {crop: random_resized, crop_scale: [0.2, 1], crop_ratio: [1, 2]}\n",
    ],
)
def test_what_is_meant_is_not_remarked_upon(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []


@pytest.mark.parametrize("name", ["paper", "demo", "debug"])
def test_the_studies_that_ship_have_no_slips(name: str) -> None:
    assert plan_sweep(SWEEPS / f"{name}.yaml").warnings == ()


def test_what_the_command_line_makes_useless_is_put_down_to_it(tmp_path: Path) -> None:
    assert warnings(tmp_path, "recipe: paper\n", "epochs=150") == [
        "--set epochs=150: milestones 160 do nothing in a training of 150 epochs (digits)"
    ]


def test_a_plan_shows_its_warnings_as_text_and_as_json_and_a_frozen_one_has_none(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(HEAD + "recipe: {base: quick, cutout: 40}\n")
    launch = new_launch(file, runs_dir=tmp_path, settings=LaunchSettings(data_directory=str(tmp_path)))
    (warning,) = launch.plan.warnings
    assert f"\n  warning   {warning}\n" in plan_text(launch)
    assert json.loads(json.dumps(plan_json(launch)))["warnings"] == [warning]
    launch.run.create()
    launch.freeze()
    assert launch.run.plan() == launch.plan
    assert launch.run.plan().warnings == ()


@pytest.mark.process
def test_the_command_prints_them(tmp_path: Path) -> None:
    shown = fdt_sweep("plan", str(SWEEPS / "debug.yaml"), "--set", "gamma=0.5", cwd=tmp_path)
    assert "  warning   --set gamma=0.5: gamma does nothing with the schedule one_cycle" in shown.stdout.splitlines()
