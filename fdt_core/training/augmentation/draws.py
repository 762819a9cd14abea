"""The random draws of an epoch, made before it on the CPU: the order of the images, and what is done to each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fdt_core.training.augmentation.boxes import Boxes
from fdt_core.training.augmentation.erasing import draw_erased
from fdt_core.training.augmentation.resized_crop import draw_crops
from fdt_core.training.augmentation.tensor_record import TensorRecord
from fdt_core.training.random_streams import generator
from fdt_core.trial.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Draws(TensorRecord):
    """The random draws for the images of an epoch, or of one of its batches, in training order.

    Args:
        crop_y: int64 [N], first row of the crop in the padded image; 0 without padding.
        crop_x: int64 [N], first column of the crop, likewise.
        flip: bool [N], whether the image is mirrored left to right.
        hole_y: int64 [N], row of the hole's centre in the cropped image.
        hole_x: int64 [N], column of the hole's centre.
        kept: the part of each image to keep, if the recipe has random resized crops.
        erased: the part of each image to erase, if the recipe erases; without pixels where nothing is erased.
    """

    crop_y: Tensor
    crop_x: Tensor
    flip: Tensor
    hole_y: Tensor
    hole_x: Tensor
    kept: Boxes | None = None
    erased: Boxes | None = None


def draw_order(*, images: int, seed: int, epoch: int) -> Tensor:
    """The order of the training images in an epoch: int64 [images], the index of the image at each position."""
    return torch.randperm(images, generator=generator(seed, epoch, "order"))


def draw_augmentation(recipe: Recipe, *, images: int, image_size: int, seed: int, epoch: int) -> Draws:
    """The draws for one epoch over `images` images of `image_size` x `image_size` pixels."""
    random = generator(seed, epoch, "augmentation")

    def integers(bound: int) -> Tensor:
        return torch.randint(bound, (images,), generator=random)

    shape = {"images": images, "image_size": image_size}
    kept = erased = None
    if recipe.crop == "random_resized":
        stream = generator(seed, epoch, "resized_crop")
        kept = draw_crops(**shape, scale=recipe.crop_scale, ratio=recipe.crop_ratio, random=stream)
    if recipe.random_erasing:
        stream = generator(seed, epoch, "erasing")
        erased = draw_erased(**shape, probability=recipe.random_erasing, random=stream)
    # These five are always drawn, whatever the recipe uses, so that none depends on the settings of the others.
    offsets = 2 * recipe.crop_padding + 1
    return Draws(
        crop_y=integers(offsets),
        crop_x=integers(offsets),
        flip=integers(2).bool() & recipe.flip,
        hole_y=integers(image_size),
        hole_x=integers(image_size),
        kept=kept,
        erased=erased,
    )
