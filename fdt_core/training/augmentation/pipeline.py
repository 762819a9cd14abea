"""The steps of the augmentation that a recipe selects, in their order."""

from __future__ import annotations

from torch import Tensor

from fdt_core.training.augmentation.cutout import cut_out, hole_rows
from fdt_core.training.augmentation.draws import Draws
from fdt_core.training.augmentation.erasing import erase
from fdt_core.training.augmentation.flip import flip
from fdt_core.training.augmentation.normalisation import Normalisation
from fdt_core.training.augmentation.padded_crop import crop
from fdt_core.training.augmentation.resized_crop import resized_crop
from fdt_core.trial.recipe import Recipe


class Augmentation:
    """Turns batches of uint8 images into input for the network, on one device.

    Args:
        recipe: selects the steps.
        normalise: the normalisation, for the size and device of the images.
    """

    def __init__(self, recipe: Recipe, normalise: Normalisation) -> None:
        self._padding = recipe.crop_padding if recipe.crop == "pad" else 0
        self._flip, self._cutout = recipe.flip, recipe.cutout
        self._normalise = normalise
        self._holes = hole_rows(normalise.image_size, normalise.channels, recipe.cutout).to(normalise.device)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Apply `draws` to uint8 `images` [B, H, W, C]; float32 [B, C, H, W], channels last in memory."""
        if draws.kept is not None:
            images = resized_crop(images, draws.kept)
        if self._padding:
            images = crop(images, draws.crop_y, draws.crop_x, self._padding)
        if self._flip:
            images = flip(images, draws.flip)
        pixels = self._normalise(images)
        if self._cutout:
            pixels = cut_out(pixels, draws.hole_y, draws.hole_x, self._cutout, self._holes)
        if draws.erased is not None:
            pixels = erase(pixels, draws.erased)
        return pixels
