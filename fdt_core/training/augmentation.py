"""Random crop, horizontal flip, normalisation and cutout as batched tensor operations on the training device.

All random draws of an epoch are made first, on the CPU; applying them to a batch needs no random numbers and never
waits for the device. Images come in as uint8 [B, H, W, C] and go out as float32 [B, C, H, W], channels last in memory.

Cutout: DeVries and Taylor, 'Improved Regularization of Convolutional Neural Networks with Cutout' (2017). As in the
paper, the centre of the hole is uniform over the pixels, so that holes can overlap the border, and the hole is set to
zero after normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from fdt_core.training.random_streams import generator
from fdt_core.trial.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The random draws for the images of an epoch, or of one of its batches, in training order.

    Args:
        crop_y: int64 [N], first row of the crop in the padded image; 0 without padding.
        crop_x: int64 [N], first column of the crop, likewise.
        flip: bool [N], whether the image is mirrored left to right.
        hole_y: int64 [N], row of the hole's centre in the cropped image.
        hole_x: int64 [N], column of the hole's centre.
    """

    crop_y: Tensor
    crop_x: Tensor
    flip: Tensor
    hole_y: Tensor
    hole_x: Tensor

    def to(self, device: torch.device) -> Draws:
        """The same draws on `device`."""
        return self._each(lambda tensor: tensor.to(device))

    def batch(self, start: int, size: int) -> Draws:
        """The draws for positions `start` to `start + size`."""
        return self._each(lambda tensor: tensor[start : start + size])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        return Draws(**{field.name: change(getattr(self, field.name)) for field in fields(self)})


def draw_order(*, images: int, seed: int, epoch: int) -> Tensor:
    """The order of the training images in an epoch: int64 [images], the index of the image at each position."""
    return torch.randperm(images, generator=generator(seed, epoch, "order"))


def draw_augmentation(recipe: Recipe, *, images: int, image_size: int, seed: int, epoch: int) -> Draws:
    """The draws for one epoch over `images` images of `image_size` x `image_size` pixels."""
    random = generator(seed, epoch, "augmentation")

    def integers(bound: int) -> Tensor:
        return torch.randint(bound, (images,), generator=random)

    offsets = 2 * recipe.crop_padding + 1
    return Draws(
        crop_y=integers(offsets),
        crop_x=integers(offsets),
        flip=integers(2).bool() & recipe.flip,
        hole_y=integers(image_size),
        hole_x=integers(image_size),
    )


class Normalisation:
    """(image / 255 - mean) / std per channel, for images of one size on one device.

    Args:
        mean: of each channel, on a scale from 0 to 1.
        std: of each channel, likewise.
        image_size: H = W of the images.
        device: where the images are.
    """

    def __init__(
        self, *, mean: tuple[float, ...], std: tuple[float, ...], image_size: int, device: torch.device
    ) -> None:
        self.channels, self.image_size, self.device = len(mean), image_size, device
        # One constant per byte of a row of pixels, so that whole rows are processed without striding over channels.
        spread = torch.tensor(std, dtype=torch.float64)
        self._scale = (1 / (255 * spread)).float().repeat(image_size).to(device)
        self._shift = (-torch.tensor(mean, dtype=torch.float64) / spread).float().repeat(image_size).to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise uint8 [B, H, W, C] to float32 [B, C, H, W] with channels last in memory."""
        rows = images.flatten(2).float()
        return torch.addcmul(self._shift, rows, self._scale).view(images.shape).permute(0, 3, 1, 2)


class Augmentation:
    """Turns batches of uint8 images into input for the network, on one device.

    Args:
        recipe: selects the steps.
        normalise: the normalisation, for the size and device of the images.
    """

    def __init__(self, recipe: Recipe, normalise: Normalisation) -> None:
        self._padding, self._flip, self._cutout = recipe.crop_padding, recipe.flip, recipe.cutout
        self._normalise = normalise
        self._holes = hole_rows(normalise.image_size, normalise.channels, recipe.cutout).to(normalise.device)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Apply `draws` to uint8 `images` [B, H, W, C]; float32 [B, C, H, W], channels last in memory."""
        if self._padding:
            images = crop(images, draws.crop_y, draws.crop_x, self._padding)
        if self._flip:
            images = flip(images, draws.flip)
        pixels = self._normalise(images)
        if self._cutout:
            pixels = cut_out(pixels, draws.hole_y, draws.hole_x, self._cutout, self._holes)
        return pixels


def crop(images: Tensor, top: Tensor, left: Tensor, padding: int) -> Tensor:
    """Pad [B, H, W, C] by `padding` black pixels on each side, then cut each image to H x W from (`top`, `left`)."""
    count, height, width, channels = images.shape
    padded = F.pad(images, (0, 0, padding, padding, padding, padding))
    # Each run of `width` pixels in memory is a row of this view, so one gather of rows copies all crops at once.
    runs = padded.view(-1).as_strided((padded.numel() // channels - width + 1, width * channels), (channels, 1))
    image = torch.arange(count, device=images.device).view(-1, 1)
    row = torch.arange(height, device=images.device).view(1, -1)
    first_pixel = (image * padded.shape[1] + top.view(-1, 1) + row) * padded.shape[2] + left.view(-1, 1)
    return runs.index_select(0, first_pixel.view(-1)).view(images.shape)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror left to right those of the images [B, H, W, C] for which the bool [B] `mirrored` is true."""
    count = len(images)
    # Gathering from both versions is many times faster on the CPU than torch.where with a broadcast condition.
    both = torch.cat([images.flatten(1), images.flip(2).flatten(1)])
    chosen = torch.arange(count, device=images.device) + count * mirrored
    return both.index_select(0, chosen).view(images.shape)


def cut_out(pixels: Tensor, centre_y: Tensor, centre_x: Tensor, size: int, rows: Tensor) -> Tensor:
    """Zero the hole around each centre, in place, in float [B, C, H, W] with channels last in memory.

    The hole is `size` x `size` pixels, clipped at the border; `rows` is `hole_rows` for that size.
    """
    count, channels, height, width = pixels.shape
    row = torch.arange(height, device=pixels.device).view(1, -1)
    top = centre_y.view(-1, 1) - size // 2
    inside = (row >= top) & (row < top + size)
    whole_row = width
    chosen = torch.where(inside, centre_x.view(-1, 1), whole_row)
    kept = rows.index_select(0, chosen.view(-1)).view(count, height, width, channels)
    return pixels.mul_(kept.permute(0, 3, 1, 2))


def hole_rows(width: int, channels: int, size: int) -> Tensor:
    """float32 [width + 1, width * channels]: row x is 0 inside a hole centred at column x, else 1; the last all 1."""
    column = torch.arange(width).view(1, -1)
    left = torch.arange(width).view(-1, 1) - size // 2
    kept = (column < left) | (column >= left + size)
    kept = torch.cat([kept, torch.ones(1, width, dtype=torch.bool)])
    return kept.float().repeat_interleave(channels, dim=1)
