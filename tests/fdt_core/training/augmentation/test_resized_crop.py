"""Random resized crops against torch's interpolation of each crop by itself."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fdt_core.training.augmentation.boxes import Boxes
from fdt_core.training.augmentation.resized_crop import draw_crops, resized_crop
from tests.fdt_core.training.augmentation.box_ranges import ratios, shares


def drawn_crops(
    seed: int,
    count: int,
    size: int,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (0.75, 4 / 3),
) -> Boxes:
    random = torch.Generator().manual_seed(seed)
    return draw_crops(images=count, image_size=size, scale=scale, ratio=ratio, random=random)


def noise(seed: int, count: int, size: int, channels: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, size, size, channels), dtype=torch.uint8, generator=random)


def crop_by_crop(images: Tensor, boxes: Boxes, antialias: bool) -> Tensor:
    """Cut out each image's box and scale it by torch; float32, not rounded."""
    size, scaled = images.shape[1], []
    sides = (boxes.top, boxes.left, boxes.height, boxes.width)
    for image, top, left, height, width in zip(images, *(side.tolist() for side in sides), strict=True):
        part = image[top : top + height, left : left + width].permute(2, 0, 1).float().unsqueeze(0)
        whole = F.interpolate(part, size=(size, size), mode="bilinear", align_corners=False, antialias=antialias)
        scaled.append(whole[0].permute(1, 2, 0))
    return torch.stack(scaled)


@pytest.mark.parametrize("antialias", [False, True], ids=["plain", "antialiased"])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 7, 8, 32, 64]), st.sampled_from([1, 3]), shares(), ratios())
@pytest.mark.oracle
def test_every_pixel_is_that_of_the_crop_scaled_by_itself_with_or_without_antialiasing(
    antialias: bool, seed: int, size: int, channels: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    images, boxes = noise(seed, 8, size, channels), drawn_crops(seed, 8, size, scale, ratio)
    result = resized_crop(images, boxes)
    assert result.dtype == torch.uint8
    assert result.shape == images.shape
    difference = (result.float() - crop_by_crop(images, boxes, antialias)).abs()
    assert float(difference.max()) <= 0.5 + 1e-2, "the result is rounded to the nearest level"


def test_the_whole_image_stays_as_it_is() -> None:
    images = noise(0, 10, 32, 3)
    assert torch.equal(resized_crop(images, drawn_crops(0, 10, 32, scale=(1.0, 1.0), ratio=(1.0, 1.0))), images)


@pytest.mark.parametrize(
    ("ratio", "height", "width"), [((2.0, 4.0), 16, 32), ((0.25, 0.5), 32, 16), ((0.9, 1.2), 32, 32)]
)
def test_without_a_legal_box_the_largest_central_one_counts_as_in_torchvision(
    ratio: tuple[float, float], height: int, width: int
) -> None:
    boxes = drawn_crops(0, 50, 32, scale=(1.0, 1.0), ratio=ratio)
    fallback = boxes.height * boxes.width >= height * width
    assert fallback.any()
    for values, expected in (
        (boxes.height, height),
        (boxes.width, width),
        (boxes.top, (32 - height) // 2),
        (boxes.left, (32 - width) // 2),
    ):
        assert (values[fallback] == expected).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 64), shares(), ratios())
def test_a_crop_is_never_empty_and_inside_the_image(
    seed: int, size: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    boxes = drawn_crops(seed, 100, size, scale, ratio)
    for start, length in ((boxes.top, boxes.height), (boxes.left, boxes.width)):
        assert (start >= 0).all()
        assert (length >= 1).all()
        assert (start + length <= size).all()
