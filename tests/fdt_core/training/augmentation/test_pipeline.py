"""The batched augmentation against a slow reference that handles each image and pixel separately."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fdt_core.training.augmentation.draws import Draws, draw_augmentation, draw_order
from fdt_core.training.augmentation.normalisation import Normalisation
from fdt_core.training.augmentation.padded_crop import crop
from fdt_core.training.augmentation.pipeline import Augmentation
from fdt_core.training.augmentation.resized_crop import resized_crop
from fdt_core.trial.recipe import Recipe

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CPU = torch.device("cpu")


def reference(image: np.ndarray, recipe: Recipe, draws: Draws, index: int) -> np.ndarray:
    """One augmented image [C, H, W], computed pixel by pixel from the definition of each step."""
    size, channels = image.shape[0], image.shape[2]
    out = np.zeros((channels, size, size), dtype=np.float32)
    half = recipe.cutout // 2
    for y, x in itertools.product(range(size), range(size)):
        source_x = size - 1 - x if recipe.flip and draws.flip[index] else x
        from_y = y + int(draws.crop_y[index]) - recipe.crop_padding
        from_x = source_x + int(draws.crop_x[index]) - recipe.crop_padding
        inside = 0 <= from_y < size and 0 <= from_x < size
        pixel = image[from_y, from_x] if inside else np.zeros(channels)
        top, left = int(draws.hole_y[index]) - half, int(draws.hole_x[index]) - half
        hole = recipe.cutout and top <= y < top + recipe.cutout and left <= x < left + recipe.cutout
        out[:, y, x] = 0 if hole else (pixel / 255 - np.array(MEAN)) / np.array(STD)
    return out


def augmented(images: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    normalise = Normalisation(mean=MEAN, std=STD, image_size=images.shape[1], device=CPU)
    return Augmentation(recipe, normalise)(images, draws)


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("padding", "cutout"), [(0, 0), (4, 0), (0, 6), (4, 6), (1, 7), (3, 40)])
def test_every_pixel_equals_the_slow_reference(size: int, flip: bool, padding: int, cutout: int) -> None:
    recipe = Recipe(crop_padding=padding, flip=flip, cutout=cutout)
    images = torch.randint(0, 256, (6, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(size))
    draws = draw_augmentation(recipe, images=6, image_size=size, seed=1, epoch=1)
    result = augmented(images, recipe, draws)
    expected = np.stack([reference(images[i].numpy(), recipe, draws, i) for i in range(6)])
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=2e-6)


def test_crops_and_holes_at_all_corners_equal_the_reference() -> None:
    recipe = Recipe(crop_padding=4, flip=True, cutout=6)
    corners = torch.tensor(list(itertools.product([0, 8], [0, 8], [0, 7], [0, 7], [0, 1])))
    images = torch.randint(0, 256, (len(corners), 8, 8, 3), dtype=torch.uint8)
    draws = Draws(
        crop_y=corners[:, 0],
        crop_x=corners[:, 1],
        hole_y=corners[:, 2],
        hole_x=corners[:, 3],
        flip=corners[:, 4].bool(),
    )
    result = augmented(images, recipe, draws)
    expected = np.stack([reference(images[i].numpy(), recipe, draws, i) for i in range(len(corners))])
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=2e-6)


def test_the_result_is_channels_last_in_memory_and_the_images_are_unchanged() -> None:
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    before = images.clone()
    recipe = Recipe()
    result = augmented(images, recipe, draw_augmentation(recipe, images=4, image_size=32, seed=0, epoch=1))
    assert result.shape == (4, 3, 32, 32)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_padding_is_black() -> None:
    white = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)
    shifted = crop(white, torch.tensor([0]), torch.tensor([4]), 4)
    assert shifted[0, :4].eq(0).all()
    assert shifted[0, 4:].eq(255).all()


def test_draws_depend_only_on_seed_and_epoch() -> None:
    def drawn(seed: int, epoch: int) -> Tensor:
        draws = draw_augmentation(Recipe(), images=500, image_size=32, seed=seed, epoch=epoch)
        return torch.stack([draws.crop_y, draws.crop_x, draws.flip.long(), draws.hole_y, draws.hole_x])

    first = drawn(3, 7)
    torch.manual_seed(99)
    assert torch.equal(first, drawn(3, 7))
    assert not torch.equal(first, drawn(3, 8))
    assert not torch.equal(first, drawn(4, 7))


def test_the_order_is_a_different_permutation_in_each_epoch() -> None:
    orders = [draw_order(images=1000, seed=0, epoch=epoch) for epoch in (1, 2)]
    assert all(torch.equal(order.sort().values, torch.arange(1000)) for order in orders)
    assert not torch.equal(*orders)
    # An order that is not random would correlate with the positions.
    assert abs(float(torch.corrcoef(torch.stack([orders[0], torch.arange(1000)]).double())[0, 1])) < 0.15


def test_draws_are_uniform() -> None:
    count = 20_000
    draws = draw_augmentation(Recipe(), images=count, image_size=32, seed=0, epoch=1)
    for values, levels in (
        (draws.crop_y, 9),
        (draws.crop_x, 9),
        (draws.flip.long(), 2),
        (draws.hole_y, 32),
        (draws.hole_x, 32),
    ):
        counts = torch.bincount(values, minlength=levels)
        assert len(counts) == levels
        chi_square = float(((counts - count / levels) ** 2 / (count / levels)).sum())
        assert chi_square < 3 * levels + 12, "far beyond the 99.9 % quantile for this many degrees of freedom"


def test_draws_are_independent_of_each_other() -> None:
    draws = draw_augmentation(Recipe(), images=20_000, image_size=32, seed=0, epoch=1)
    together = torch.stack([draws.crop_y, draws.crop_x, draws.flip.long(), draws.hole_y, draws.hole_x]).double()
    off_diagonal = torch.corrcoef(together) - torch.eye(5)
    assert float(off_diagonal.abs().max()) < 0.03


def test_without_flip_in_the_recipe_nothing_is_mirrored() -> None:
    assert not draw_augmentation(Recipe(flip=False), images=100, image_size=8, seed=0, epoch=1).flip.any()


NEW: dict[str, Any] = {"crop": "random_resized", "random_erasing": 0.5, "mixup": 0.4, "cutmix": 1.0}


def test_new_kinds_of_draws_leave_the_others_as_they_were() -> None:
    key = {"images": 100, "image_size": 32, "seed": 3, "epoch": 2}
    plain, all_kinds = draw_augmentation(Recipe(), **key), draw_augmentation(Recipe(**NEW), **key)
    for name in ("crop_y", "crop_x", "flip", "hole_y", "hole_x"):
        assert torch.equal(getattr(plain, name), getattr(all_kinds, name))
    assert plain.kept is None
    assert plain.erased is None


def test_the_draws_of_a_batch_are_those_of_its_images() -> None:
    draws = draw_augmentation(Recipe(**NEW), images=100, image_size=32, seed=0, epoch=1)
    batch = draws.batch(96, 32)
    assert draws.kept is not None
    assert draws.erased is not None
    assert batch.kept is not None
    assert batch.erased is not None
    assert torch.equal(batch.flip, draws.flip[96:])
    assert torch.equal(batch.kept.width, draws.kept.width[96:])
    assert torch.equal(batch.erased.top, draws.erased.top[96:])


def test_a_resized_crop_takes_the_place_of_the_padded_one_and_erasing_comes_last() -> None:
    images = torch.randint(0, 256, (40, 32, 32, 3), dtype=torch.uint8)
    recipe = Recipe(crop="random_resized", random_erasing=1.0, flip=False, cutout=0)
    draws = draw_augmentation(recipe, images=40, image_size=32, seed=0, epoch=1)
    assert draws.kept is not None
    assert draws.erased is not None
    erased = draws.erased.cover(image_size=32, channels=3).view(40, 32, 32, 3).permute(0, 3, 1, 2)
    normalise = Normalisation(mean=MEAN, std=STD, image_size=32, device=CPU)
    result = augmented(images, recipe, draws)
    assert torch.equal(result, normalise(resized_crop(images, draws.kept)).masked_fill(erased, 0))
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert erased.any()
