"""The identity of trials: the ids of version 0.1 stay, and every setting that differs gives another id."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from fdt_core.image import ImageShape
from fdt_core.trial.identity import ADDED, identifying, is_added
from fdt_core.trial.recipe import Recipe, recipe_for
from fdt_core.trial.spec import TrialSpec

SPECS = {
    "dedd0c838597": TrialSpec(
        model="vgg11",
        width=1.0,
        widths=(64, 128, 256),
        dataset="cifar10",
        image=ImageShape(),
        seed=0,
        recipe=recipe_for("paper", "cifar10"),
        threads=1,
        code_epoch=1,
    ),
    "8bd94befafcd": TrialSpec(
        model="resnet18",
        width=0.5,
        widths=(32, 64),
        dataset="tinyimagenet",
        image=ImageShape(size=64, classes=200),
        seed=3,
        recipe=recipe_for("paper", "tinyimagenet"),
        threads=4,
        code_epoch=1,
    ),
    "7d5c54e7bd11": TrialSpec(
        model="my.module:Net",
        model_digest="abc",
        width=0.125,
        widths=(7,),
        dataset="digits",
        image=ImageShape(channels=1),
        seed=1,
        recipe=recipe_for(
            {
                "base": "quick",
                "schedule": "cosine",
                "precision": "bf16",
                "label_smoothing": 0.1,
                "validation": 0.1,
                "gradient_clip": 1,
                "milestones": [1, 2],
            },
            "digits",
        ),
        threads=2,
        code_epoch=1,
    ),
}
"""Specifications with the ids that version 0.1 gave them."""

ADDED_VALUES: dict[str, Any] = {
    "optimiser": "adamw",
    "betas": (0.9, 0.99),
    "eps": 1e-6,
    "ema": 0.999,
    "crop": "random_resized",
    "crop_scale": (0.25, 1.0),
    "crop_ratio": (0.5, 2.0),
    "random_erasing": 0.25,
    "mixup": 0.2,
    "cutmix": 1.0,
    "cuda_graph": True,
    "evaluate_at": (1, 3),
    "evaluate_test": False,
}


@pytest.mark.parametrize("trial_id", SPECS)
def test_trials_keep_the_ids_of_version_0_1(trial_id: str) -> None:
    assert SPECS[trial_id].trial_id == trial_id


@pytest.mark.parametrize("trial_id", SPECS)
def test_json_is_read_back(trial_id: str) -> None:
    spec = SPECS[trial_id]
    assert TrialSpec.from_json(spec.to_json()) == spec
    changed = dataclasses.replace(spec, recipe=dataclasses.replace(spec.recipe, validation=0.1, **ADDED_VALUES))
    assert TrialSpec.from_json(changed.to_json()) == changed


def test_json_names_added_fields_only_if_they_differ_from_their_defaults() -> None:
    spec = SPECS["dedd0c838597"]
    plain = json.loads(spec.to_json())["recipe"]
    changed = json.loads(dataclasses.replace(spec, recipe=Recipe(betas=(0.9, 0.99), ema=0.0)).to_json())["recipe"]
    assert changed == plain | {"betas": [0.9, 0.99]}
    assert "crop_padding" in plain, "fields of version 0.1 are always named"


@pytest.mark.parametrize("name", ADDED_VALUES)
def test_every_added_field_of_the_recipe_changes_the_id(name: str) -> None:
    plain = SPECS["dedd0c838597"]
    spec = dataclasses.replace(plain, recipe=dataclasses.replace(plain.recipe, validation=0.1))
    changed = dataclasses.replace(spec, recipe=dataclasses.replace(spec.recipe, **{name: ADDED_VALUES[name]}))
    assert changed.trial_id != spec.trial_id


def test_these_are_all_added_fields_of_the_recipe() -> None:
    assert {field.name for field in dataclasses.fields(Recipe) if is_added(field)} == set(ADDED_VALUES)


def test_an_added_field_counts_at_any_depth_and_may_hold_anything() -> None:
    @dataclasses.dataclass(frozen=True)
    class Inner:
        old: int = 1
        new: dict[str, tuple[int, ...]] | None = dataclasses.field(default=None, metadata=ADDED)

    @dataclasses.dataclass(frozen=True)
    class Outer:
        inner: tuple[Inner, ...] = (Inner(),)
        definition: Inner | None = dataclasses.field(default=None, metadata=ADDED)

    assert identifying(Outer()) == {"inner": [{"old": 1}]}
    given = Outer(inner=(Inner(new={"a": (1, 2)}),), definition=Inner(old=3))
    assert identifying(given) == {"inner": [{"old": 1, "new": {"a": [1, 2]}}], "definition": {"old": 3}}
