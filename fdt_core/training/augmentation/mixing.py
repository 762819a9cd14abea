"""Mixup and CutMix: each image of a batch is mixed with another one of the batch, and so are their labels.

Mixup: Zhang et al., 'mixup: Beyond Empirical Risk Minimization' (2018). The mean of two images, weighted with
lambda ~ Beta(alpha, alpha). CutMix: Yun et al., 'CutMix: Regularization Strategy to Train Strong Classifiers with
Localizable Features' (2019). A box of the other image replaces that of the first; before it is clipped at the border,
it has a share 1 - lambda of the area. As in the authors' code, a batch has one lambda and one box, and the partners
are a random permutation of the batch. The label's weight is the share of the first image that is really left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fdt_core.training.augmentation.boxes import Boxes
from fdt_core.training.random_streams import numpy_generator
from fdt_core.trial.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """How the images of an epoch, or of one of its batches, are mixed.

    Args:
        partner: int64 [images], the position in the batch of the image that each image is mixed with.
        weight: float32 [batches], the weight of an image's own label; that of its partner's is the rest.
        outside: float32 [batches], the weight of an image's own pixels outside the box; inside it is 0.
        box: one per batch; without pixels for mixup.
    """

    partner: Tensor
    weight: Tensor
    outside: Tensor
    box: Boxes

    def to(self, device: torch.device) -> Mixing:
        """The same on `device`."""
        tensors = {name: getattr(self, name).to(device) for name in ("partner", "weight", "outside")}
        return Mixing(**tensors, box=self.box.to(device))

    def batch(self, number: int, start: int, size: int) -> Mixing:
        """For batch `number` (the first is 0), the images at positions `start` to `start + size`."""
        return Mixing(
            partner=self.partner[start : start + size],
            weight=self.weight[number : number + 1],
            outside=self.outside[number : number + 1],
            box=self.box.batch(number, 1),
        )

    def pixels(self, pixels: Tensor) -> Tensor:
        """The mixed images of one batch; float [B, C, H, W], channels last in memory."""
        count, channels, height, width = pixels.shape
        own = pixels.permute(0, 2, 3, 1).view(count, height, width * channels)
        own_weight = self.outside * ~self.box.cover(image_size=height, channels=channels)
        mixed = torch.lerp(own.index_select(0, self.partner), own, own_weight)  # exact for the weights 0 and 1
        return mixed.view(count, height, width, channels).permute(0, 3, 1, 2)


def draw_mixing(recipe: Recipe, *, images: int, image_size: int, seed: int, epoch: int) -> Mixing | None:
    """The draws for one epoch; None if the recipe mixes nothing. With both kinds, each batch gets one of them."""
    if not recipe.mixup and not recipe.cutmix:
        return None
    random = numpy_generator(seed, epoch, "mixing")
    starts = range(0, images, recipe.batch_size)
    batches = len(starts)
    partner = np.concatenate([random.permutation(min(recipe.batch_size, images - start)) for start in starts])
    cut_chance = 0.0 if not recipe.cutmix else 0.5 if recipe.mixup else 1.0
    cuts = random.random(batches) < cut_chance
    centre = random.integers(image_size, size=(2, batches))
    own = np.where(cuts, *(_beta(random, alpha, batches) for alpha in (recipe.cutmix, recipe.mixup)))
    side = np.where(cuts, (image_size * np.sqrt(1 - own)).astype(np.int64), 0)
    start = np.clip(centre - side // 2, 0, image_size)
    length = np.clip(centre - side // 2 + side, 0, image_size) - start
    left_over = 1 - length.prod(0) / image_size**2
    top, left, height, width = (torch.from_numpy(values) for values in (*start, *length))
    return Mixing(
        partner=torch.from_numpy(partner),
        weight=torch.from_numpy(np.where(cuts, left_over, own).astype(np.float32)),
        outside=torch.from_numpy(np.where(cuts, 1, own).astype(np.float32)),
        box=Boxes(top=top, left=left, height=height, width=width),
    )


def _beta(random: np.random.Generator, alpha: float, count: int) -> npt.NDArray[np.float64]:
    return random.beta(alpha, alpha, count) if alpha else np.ones(count)
