"""Resize images as the usual evaluation protocol does: by the shorter side, then cut out the centre."""

from __future__ import annotations

from typing import Annotated

from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_LONGEST = 8
"""Of an image longer than this many times its shorter side, the ends are cut off before it is resized."""

_MOST_PIXELS = 4096
"""The largest shorter side, so that one resized image takes at most 8 * 4096 * 4096 * 3 bytes, 0.4 GB."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid"))
class Resize:
    """How images become squares: resized until the shorter side is size / crop_ratio, then cut to the centre.

    Args:
        size: width and height of the result, in pixels.
        crop_ratio: the part of the resized shorter side that is cut out; 1 cuts off only the ends of the longer side.
    """

    size: Annotated[int, Field(ge=8)]
    crop_ratio: Annotated[float, Field(gt=0, le=1)]

    def __post_init__(self) -> None:
        if self.size > _MOST_PIXELS * self.crop_ratio:
            raise ValueError(
                f"size / crop_ratio must be at most {_MOST_PIXELS:,} pixels, not {self.size / self.crop_ratio:,.0f}"
            )

    def __str__(self) -> str:
        return f"{{size: {self.size}, crop_ratio: {self.crop_ratio}}}"

    @property
    def shorter_side(self) -> int:
        """The shorter side of an image before the square is cut out, in pixels; rounded half to even."""
        return round(self.size / self.crop_ratio)

    def apply(self, image: Image.Image) -> Image.Image:
        """The central square of the image, `size` x `size` pixels, at the scale of `shorter_side`.

        Bit for bit torchvision's `Resize(shorter_side, BICUBIC)` and `CenterCrop(size)`, which are not used here
        because importing them takes seconds. Only images longer than 8 to 1 may differ: resized as a whole, a line of
        pixels would not fit into memory.
        """
        middle = _without_far_ends(image)
        shorter = min(middle.size)
        width, height = (self.shorter_side * side // shorter for side in middle.size)
        left, top = (round((side - self.size) / 2) for side in (width, height))
        resized = middle.resize((width, height), Image.Resampling.BICUBIC)
        return resized.crop((left, top, left + self.size, top + self.size))


def _without_far_ends(image: Image.Image) -> Image.Image:
    """The image, cut to `_LONGEST` times its shorter side (or a pixel more, so that its centre stays where it is)."""
    excess_x, excess_y = (max(0, side - _LONGEST * min(image.size)) // 2 for side in image.size)
    if not excess_x and not excess_y:
        return image
    return image.crop((excess_x, excess_y, image.width - excess_x, image.height - excess_y))
