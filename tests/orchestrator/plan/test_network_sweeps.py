"""Sweeps of any network: selection by name, what identifies a trial, and what a plan reports about them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from orchestrator.launch.prepare import new_launch
from orchestrator.plan.cells import Cell, SweepPlan, plan_from_json
from orchestrator.plan.resolve import plan_sweep
from orchestrator.run.launch_record import LaunchSettings
from orchestrator.status.plan_text import plan_json, plan_text

SWEEP = """\
name: networks
models: [vgg11, timm/test_resnet]
templates: [base, d]
datasets: [digits]
seeds: 1
width: 0.5
recipe: {base: quick, epochs: 3}
"""


def sweep_file(tmp_path: Path, models: str = "[vgg11, timm/test_resnet]", rest: str = "") -> Path:
    file = tmp_path / "networks.yaml"
    file.write_text(SWEEP.replace("[vgg11, timm/test_resnet]", models) + rest)
    return file


def plan(tmp_path: Path, models: str = "[vgg11, timm/test_resnet]", rest: str = "", *settings: str) -> SweepPlan:
    return plan_sweep(sweep_file(tmp_path, models, rest), settings)


def only(found: SweepPlan) -> Cell:
    (cell,) = (cell for cell in found.cells if cell.template == "base")
    return cell


@pytest.mark.study
def test_traced_networks_and_architectures_are_planned_side_by_side(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert {(cell.spec.model, cell.template) for cell in found.cells} == {
        (model, template) for model in ("vgg11", "timm/test_resnet") for template in ("base", "d")
    }
    assert all((cell.spec.traced is not None) == (cell.spec.model == "timm/test_resnet") for cell in found.cells)
    assert plan_from_json(json.loads(json.dumps(found.to_json())), tmp_path) == found


def test_rules_select_models_by_patterns(tmp_path: Path) -> None:
    found = plan(tmp_path, rest="overrides: [{where: {model: 'timm/*'}, epochs: 7}]\n")
    assert {cell.spec.model: cell.spec.recipe.epochs for cell in found.cells} == {"vgg11": 3, "timm/test_resnet": 7}
    left = plan(tmp_path, rest="exclude: [{model: 'timm/*'}]\n")
    assert {cell.spec.model for cell in left.cells} == {"vgg11"}


def test_the_option_set_replaces_the_models(tmp_path: Path) -> None:
    found = plan(tmp_path, "[vgg11, timm/test_resnet]", "", "models=[{name: timm/test_resnet, as: r}]")
    assert {cell.spec.model for cell in found.cells} == {"r"}


def test_a_trial_is_identified_by_label_arguments_overrides_and_the_librarys_version(tmp_path: Path) -> None:
    entries = (
        "timm/test_resnet",
        "{name: timm/test_resnet, as: other}",
        "{name: timm/test_resnet, arguments: {drop_rate: 0.5}}",
        "{name: timm/test_resnet, fixed: [layer1.0.conv1]}",
    )
    cells = [only(plan(tmp_path, f"[{entry}]")) for entry in entries]
    assert len({cell.trial_id for cell in cells}) == len(entries)
    spec = cells[0].spec
    assert spec.traced is not None
    newer = replace(spec, traced=replace(spec.traced, source="timm 99.0"))
    assert newer.trial_id != spec.trial_id


def test_the_least_filters_change_the_networks_of_templates_and_no_other_trial(tmp_path: Path) -> None:
    plain, narrow = (
        {cell.template: cell for cell in plan(tmp_path, f"[{entry}]").cells}
        for entry in ("timm/test_resnet", "{name: timm/test_resnet, least: 4}")
    )
    assert narrow["base"].trial_id == plain["base"].trial_id
    assert narrow["d"].trial_id != plain["d"].trial_id
    assert narrow["d"].spec.widths[0] == 4


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "timm/test_resnt",
            r"networks\.yaml:2: models\[0\]: unknown model 'timm/test_resnt'; the nearest are .*timm/test_resnet",
        ),
        (
            "{name: timm/test_resnet, fixed: [layr1*]}",
            r"networks\.yaml:2: models\[0\]: .*no convolution or linear layer",
        ),
        (
            "{name: vgg11, fixed: [x]}",
            r"vgg11 has no 'fixed': its slots are fixed. torchvision/vgg11 can have other ones",
        ),
        ("{name: vgg11, as: x}", "vgg11 keeps its name"),
        ("vgg12", r"unknown model 'vgg12'.*torchvision/NAME, timm/NAME, or your own as package.module:attribute"),
    ],
)
def test_models_that_cannot_be_used_are_refused_with_line_and_key(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(tmp_path, f"[{entry}]")


@pytest.mark.oracle
def test_a_plan_reports_the_steps_of_n_and_warns_of_coarse_multiples(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, "[timm/test_resnet, torchvision/resnext50_32x4d]")
    launch = new_launch(file, runs_dir=tmp_path, overrides=[], settings=LaunchSettings(data_directory=str(tmp_path)))
    text = plan_text(launch)
    assert "  step of n timm/test_resnet: " in text
    assert "            torchvision/resnext50_32x4d: " in text
    (warning,) = launch.plan.warnings
    assert (
        "models[1]: the filters of torchvision/resnext50_32x4d are multiples of 32: one step of n costs up to"
        in warning
    )
    assert f"  warning   {warning}" in text
    steps = json.loads(json.dumps(plan_json(launch)))["width_steps"]
    assert set(steps) == {"timm/test_resnet", "torchvision/resnext50_32x4d"}
    assert all(0 < least <= most for least, most in steps.values())


OWN = """\
from torch import nn


def small(num_classes: int, filters: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, filters, 3), nn.ReLU(), nn.Conv2d(filters, 16, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, num_classes),
    )
"""


def test_a_users_own_network_is_planned_and_an_edited_one_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    trial_ids = []
    for number, source in enumerate((OWN, OWN, OWN.replace("stride=2", "stride=4"))):
        (tmp_path / f"own_network_{number}.py").write_text(source)
        entry = f"{{name: 'own_network_{number}:small', as: own, arguments: {{filters: 12}}}}"
        cells = {cell.template: cell for cell in plan(tmp_path, f"[{entry}]").cells}
        assert cells["base"].spec.widths == (6, 8)
        assert cells["base"].cost.params == 3 * 6 * 9 + 6 + 6 * 8 * 9 + 8 + 8 * 10 + 10
        traced = cells["base"].spec.traced
        assert traced is not None
        trial_ids.append((traced.source, traced.structure))
    assert trial_ids[0] == trial_ids[1]
    assert trial_ids[2][0] != trial_ids[0][0]
    assert trial_ids[2][1] != trial_ids[0][1]
