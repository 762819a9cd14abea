"""docs/training.md and docs/data.md agree with the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.info import dataset_names
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import load_prepared
from fdt_core.datasets.published_files import PUBLICATIONS
from fdt_core.datasets.user_datasets import user_datasets
from fdt_core.files.yaml_file import parse_scalar
from fdt_core.trial.recipe import Recipe, recipe_for
from orchestrator.plan.resolve import plan_sweep
from tests.fdt_core.datasets.archives import image_file, write_folder

DOCS = Path(__file__).parents[2] / "docs"
TRAINING = (DOCS / "training.md").read_text(encoding="utf-8")
DATA = (DOCS / "data.md").read_text(encoding="utf-8")


def table(text: str) -> dict[str, list[str]]:
    """The table rows that start with a word in backticks, by that word."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0]: row[1:] for row in rows}


def test_every_field_of_a_recipe_is_explained_with_its_default() -> None:
    explained: dict[str, object] = {}
    for names, cells in table(TRAINING).items():
        keys = re.findall(r"`(\w+)`", names)
        defaults = [cells[0]] if len(keys) == 1 else cells[0].rsplit(", ", 1)
        explained |= dict(zip(keys, map(parse_scalar, defaults), strict=True))
    defaults_of_code = {field.name: getattr(Recipe(), field.name) for field in dataclasses.fields(Recipe)}
    assert explained.keys() == defaults_of_code.keys()
    for name, default in defaults_of_code.items():
        shown = explained[name]
        assert (pytest.approx(shown, rel=1e-4) if isinstance(shown, list) else shown) == (
            list(default) if isinstance(default, tuple) else default
        )


def test_every_data_set_is_listed_with_its_numbers() -> None:
    listed = table(DATA)
    assert {name.strip("`") for name in listed} == set(dataset_names())
    for name, cells in listed.items():
        info = dataset_info(name.strip("`"))
        numbers = [int(cell.replace(",", "")) for cell in cells[:4]]
        assert numbers == [info.image.size, info.image.classes, info.train_images, info.test_images]
        publication = PUBLICATIONS.get(name.strip("`"))
        if publication is not None and len(publication.md5) == 1:
            assert next(iter(publication.md5)) in cells[4]


def test_the_line_for_custom_images_is_valid(tmp_path: Path) -> None:
    (line,) = re.findall(r"```yaml\n(flowers: .*?)```", DATA, re.DOTALL)
    (tmp_path / "datasets.yaml").write_text(line)
    assert user_datasets(tmp_path)["flowers"].size == 64


def test_the_line_for_cutting_out_the_centre_does_what_is_written(tmp_path: Path) -> None:
    (line,) = re.findall(r"```yaml\n(birds: .*?)```", DATA, re.DOTALL)
    photo = np.zeros((292, 400, 3), dtype=np.uint8)
    photo[110:183, 163:236] = 255  # a white square that spans a quarter of the shorter side
    file = image_file(photo, "PNG")
    write_folder(tmp_path / "photos", {f"{kind}/{number}.png": file for kind in ("owl", "wren") for number in range(5)})
    (tmp_path / "datasets.yaml").write_text(line.replace("/scratch/birds", "photos"))
    description = prepare_dataset("birds", tmp_path)
    assert description.resize is not None
    shorter_side = description.resize.shorter_side
    assert f"its shorter side is 64 / 0.875 = {shorter_side} pixels" in DATA
    assert f"`Resize({shorter_side}, BICUBIC)` and `CenterCrop({description.image.size})`" in DATA
    prepared = load_prepared("birds", tmp_path)
    for images in (prepared.train_images, prepared.test_images):
        span = round(float(images[0, 32, :, 0].sum() / 255))
        assert f"16 / 0.875 = {span} pixels with `crop_ratio: 0.875`" in DATA


def test_the_recipes_shown_are_valid() -> None:
    assert recipe_for({"epochs": 30, "milestones": [10, 20]}, "cifar10").epochs == 30
    assert recipe_for({"base": "quick", "precision": "bf16"}, "cifar10").precision == "bf16"


def test_the_overrides_and_settings_shown_are_valid(tmp_path: Path) -> None:
    (overrides,) = re.findall(r"```yaml\n(overrides:\n.*?)```", TRAINING, re.DOTALL)
    file = tmp_path / "study.yaml"
    head = (
        "name: study\nmodels: [vgg11, resnet18]\nwidth: 0.125\ntemplates: [base, a, b]\ndatasets: [digits]\nseeds: 1\n"
    )
    file.write_text(f"{head}recipe: {{base: quick, batch_size: 32}}\n{overrides}")
    found = {
        (cell.spec.model, cell.template): (cell.spec.recipe.epochs, cell.spec.recipe.batch_size)
        for cell in plan_sweep(file).cells
    }
    expected = {("vgg11", "base"): (10, 32), ("resnet18", "base"): (12, 32)}
    assert found == expected | {
        (model, template): (6, 128) for model in ("vgg11", "resnet18") for template in ("a", "b")
    }
    settings = re.findall(r"`--set '?(.*?)'?`", TRAINING)
    assert len(settings) == 4
    assert {cell.spec.recipe.epochs for cell in plan_sweep(file, settings).cells} == {2}


def test_the_variants_shown_are_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(variants.*?)```", TRAINING, re.DOTALL)
    file = tmp_path / "study.yaml"
    head = "name: study\nmodels: [vgg11]\nwidth: 0.125\ntemplates: [base]\ndatasets: [digits]\nseeds: 1\n"
    found = []
    for text in block.split("# or:\n"):
        file.write_text(head + text)
        found.append([cell.variant for cell in plan_sweep(file).cells])
    assert sorted(found[0]) == ["lr_high", "lr_low"]
    assert len(found[1]) == 6
    assert re.findall(r"such as `(learning_rate=\S+)`", TRAINING)[0] in found[1]
