"""The entries of `models` in a sweep file and on the command line: names, and mappings with arguments and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.errors import UsageError
from fdt_core.model_definition import ModelDefinition
from orchestrator.plan.model_entries import model_definition
from orchestrator.plan.sweep_file import load_sweep

REST = "templates: [base]\ndatasets: [digits]\nseeds: 1\n"


def models(tmp_path: Path, text: str, *settings: str) -> tuple[ModelDefinition, ...]:
    file = tmp_path / "entries.yaml"
    file.write_text(f"name: entries\nmodels:\n{text}{REST}")
    return load_sweep(file, settings)[1].models


def test_a_name_and_a_mapping_with_only_a_name_are_the_same(tmp_path: Path) -> None:
    assert models(tmp_path, "- vgg11\n- {name: timm/test_resnet}\n") == (
        ModelDefinition(name="vgg11"),
        ModelDefinition(name="timm/test_resnet"),
    )


def test_a_mapping_has_a_label_arguments_and_overrides(tmp_path: Path) -> None:
    text = """\
- name: timm/test_resnet
  as: short
  arguments: {drop_rate: 0.1, stem_type: deep, act_layer: null, sizes: [1, 2]}
  slots: ["layer*"]
  follow: {conv1: layer1.0.conv1}
  fixed: [fc]
  least: 4
"""
    (found,) = models(tmp_path, text)
    assert found == ModelDefinition(
        name="timm/test_resnet",
        alias="short",
        arguments={"drop_rate": 0.1, "stem_type": "deep", "act_layer": None, "sizes": [1, 2]},
        slots=("layer*",),
        follow={"conv1": "layer1.0.conv1"},
        fixed=("fc",),
        least=4,
    )
    assert found.label == "short"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: vgg11, slot: [x]}\n", r":3: models\[0\]\.slot: unknown key; did you mean 'slots'\? \(known: name, "),
        ("- {name: vgg11, alias: x}\n", r"models\[0\]\.alias: unknown key.*\bas\b"),
        ("- vgg11\n- {as: x}\n", r":4: models\[1\].*name"),
        ("- {name: vgg11, least: 0}\n", r":3: models\[0\]\.least: "),
        ("- {name: vgg11, fixed: stem}\n", r":3: models\[0\]\.fixed: "),
        ("- {name: vgg11, fixed: ['']}\n", r":3: models\[0\]\.fixed"),
        ("- {name: vgg11, as: ''}\n", r":3: models\[0\]\.as: must be a name, not \"\"$"),
        ("- {name: timm/test_resnet, as: 3}\n", r":3: models\[0\]\.as: must be a name, not 3$"),
        ("- 3\n", r":3: models\[0\]: must be a name or a mapping, not 3$"),
        ("- vgg11\n- vgg11\n", r"models.*vgg11"),
        ("- {name: timm/test_resnet, as: x}\n- {name: timm/test_vit, as: x}\n", r"models.*'?x'?"),
    ],
)
def test_entries_that_make_no_sense_are_refused_with_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        models(tmp_path, text)


def test_one_network_may_have_two_labels(tmp_path: Path) -> None:
    found = models(tmp_path, "- timm/test_resnet\n- {name: timm/test_resnet, as: wide, arguments: {width: 2}}\n")
    assert [each.label for each in found] == ["timm/test_resnet", "wide"]


def test_the_option_set_replaces_the_models(tmp_path: Path) -> None:
    setting = "models=[vgg13, {name: timm/test_resnet, as: small}]"
    found = models(tmp_path, "- vgg11\n", setting)
    assert [each.label for each in found] == ["vgg13", "small"]
    with pytest.raises(UsageError, match=r"^--set models=.*: unknown key; did you mean 'fixed'\?"):
        models(tmp_path, "- vgg11\n", "models=[{name: vgg11, fixd: [x]}]")


def test_the_command_line_takes_a_name_or_a_mapping() -> None:
    assert model_definition("timm/test_resnet") == ModelDefinition(name="timm/test_resnet")
    given = model_definition("{name: timm/test_resnet, fixed: [conv1], as: x}")
    assert given == ModelDefinition(name="timm/test_resnet", fixed=("conv1",), alias="x")
    with pytest.raises(UsageError, match=r"unknown key; did you mean 'name'\?"):
        model_definition("{nam: vgg11}")
