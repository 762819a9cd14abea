"""Recipes: the built-in ones, fields that override them, and errors that name the key."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fdt_core.datasets.info import dataset_names
from fdt_core.errors import UsageError
from fdt_core.trial.recipe import Recipe, held_out_images, recipe_for, recipe_names


def test_the_paper_trains_cifar_for_200_epochs() -> None:
    recipe = recipe_for("paper", "cifar10")
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.momentum) == (200, 128, 0.1, 0.9)
    assert (recipe.schedule, recipe.milestones, recipe.gamma) == ("multi_step", (60, 120, 160), 0.2)
    assert (recipe.crop_padding, recipe.flip, recipe.cutout, recipe.nesterov) == (4, True, 16, False)
    assert recipe == recipe_for("paper", "cinic10") == recipe_for("paper", "cifar100") == Recipe()


def test_the_paper_trains_tinyimagenet_for_90_epochs() -> None:
    recipe = recipe_for("paper", "tinyimagenet")
    assert (recipe.epochs, recipe.batch_size, recipe.milestones, recipe.gamma) == (90, 64, (45, 70, 85), 0.1)


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("dataset", [*dataset_names(), "my_flowers"])
def test_every_built_in_recipe_is_valid_for_every_data_set(name: str, dataset: str) -> None:
    assert recipe_for(name, dataset).epochs >= 1


@pytest.mark.parametrize("dataset", ["digits"])
def test_digits_are_never_mirrored(dataset: str) -> None:
    assert not any(recipe_for(name, dataset).flip for name in recipe_names())


def test_fields_override_the_default_recipe_for_the_data_set() -> None:
    recipe = recipe_for({"epochs": 5, "learning_rate": 1}, "tinyimagenet")
    assert recipe == dataclasses.replace(recipe_for("paper", "tinyimagenet"), epochs=5, learning_rate=1.0)


def test_base_names_another_recipe() -> None:
    assert recipe_for({"base": "quick", "batch_size": 64}, "cifar10") == dataclasses.replace(
        recipe_for("quick", "cifar10"), batch_size=64
    )


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("papr", "unknown recipe 'papr'; did you mean 'paper'.*known: modern, paper, quick"),
        ({"base": "papr"}, "unknown recipe 'papr'"),
        ({"base": 3}, "base must be the name of a recipe"),
        ({"epochz": 1}, "epochz: unknown key; did you mean 'epochs'"),
        ({"epochs": 0}, "epochs: must be greater than or equal to 1, not 0"),
        ({"epochs": "many"}, "epochs: must be an integer"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"precision": "fp16"}, "'fp32', 'tf32' or 'bf16'"),
        ({"milestones": [3, 2]}, "milestones must rise strictly"),
        ({"momentum": 0, "nesterov": True}, "nesterov needs a momentum"),
        ({"optimiser": "adam"}, "optimiser: must be 'sgd' or 'adamw', not .adam.; did you mean 'adamw'"),
        ({"betas": [0.9]}, r"betas\[1\]: this key is missing"),
        ({"betas": [0.9, 0.9, 0.9]}, "betas: must have at most 2 values"),
        ({"betas": [0.9, 1.0]}, r"betas\[1\]: must be less than 1"),
        ({"eps": 0}, "eps: must be greater than 0"),
        ({"ema": 1}, "ema: must be less than 1"),
        ({"mixup": -0.1}, "mixup: must be greater than or equal to 0"),
        ({"cutmix": 1e300}, "cutmix: must be less than or equal to 1000"),
        ({"cutmix": "on"}, "cutmix: must be a number"),
        ({"random_erasing": 1.5}, "random_erasing: must be less than or equal to 1"),
        ({"crop": "resized"}, "crop: must be 'pad' or 'random_resized'"),
        ({"crop_scale": [0.5, 0.2]}, "crop_scale must be two shares"),
        ({"crop_scale": [0, 1]}, "crop_scale must be two shares"),
        ({"crop_scale": [0.5, 1.5]}, "crop_scale must be two shares"),
        ({"crop_ratio": [2, 1]}, "crop_ratio must be two numbers above 0"),
        ({"crop_ratio": ["3/4", "4/3"]}, "crop_ratio.*must be a number"),
        ({"validation": 1.0}, "validation: must be less than 1"),
        ({"weight_decay": float("nan")}, "weight_decay"),
    ],
)
def test_an_invalid_recipe_is_rejected_with_the_key(recipe: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recipe_for(recipe, "cifar10")


def test_the_modern_recipe_averages_mixes_and_erases() -> None:
    recipe = recipe_for("modern", "cifar10")
    assert (recipe.optimiser, recipe.schedule, recipe.decay_norm_and_bias) == ("adamw", "cosine", False)
    assert min(recipe.ema, recipe.mixup, recipe.cutmix, recipe.random_erasing, recipe.label_smoothing) > 0
    assert recipe_for("modern", "tinyimagenet").crop == "random_resized"


def test_ranges_may_be_given_as_whole_numbers() -> None:
    recipe = recipe_for({"crop": "random_resized", "crop_scale": [1, 1], "crop_ratio": [1, 2]}, "cifar10")
    assert recipe == Recipe(crop="random_resized", crop_scale=(1.0, 1.0), crop_ratio=(1.0, 2.0))


def test_a_validation_that_leaves_nothing_to_train_on_is_rejected() -> None:
    assert [held_out_images(10, part) for part in (0, 0.001, 0.5, 0.94)] == [0, 1, 5, 9]
    for images, part in ((10, 0.96), (1, 0.1)):
        with pytest.raises(UsageError, match="none is left to train on"):
            held_out_images(images, part)
