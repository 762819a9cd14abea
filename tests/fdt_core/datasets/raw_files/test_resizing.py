"""Resizing by the shorter side and cutting out the centre, compared with torchvision's transforms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from fdt_core.datasets.raw_files.image_files import cropped_to_square
from fdt_core.datasets.raw_files.resizing import Resize
from tests.fdt_core.datasets.archives import pixels

SIZES = st.integers(8, 48)
RATIOS = st.floats(0.2, 1) | st.sampled_from([0.4, 0.8, 0.875, 224 / 256, 1.0])


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(pixels(height, width, 3, seed=height * 1000 + width))


def ramp(height: int, width: int) -> Image.Image:
    """Grey levels that rise from left to right and from top to bottom."""
    levels = np.linspace(0, 127, width)[np.newaxis] + np.linspace(0, 127, height)[:, np.newaxis]
    return Image.fromarray(np.repeat(levels.round().astype(np.uint8)[..., np.newaxis], 3, axis=2))


def with_torchvision(image: Image.Image, size: int, shorter_side: int) -> np.ndarray:
    resize = v2.Resize(shorter_side, interpolation=InterpolationMode.BICUBIC, antialias=True)
    return np.asarray(v2.CenterCrop(size)(resize(image)))


@settings(max_examples=150, deadline=None)
@given(shorter=st.integers(1, 90), stretch=st.floats(1, 8), upright=st.booleans(), size=SIZES, ratio=RATIOS)
def test_pixels_are_those_of_torchvision(shorter: int, stretch: float, upright: bool, size: int, ratio: float) -> None:
    longer = int(stretch * shorter)
    image = noise(longer, shorter) if upright else noise(shorter, longer)
    resize = Resize(size=size, crop_ratio=ratio)
    assert np.array_equal(np.asarray(resize.apply(image)), with_torchvision(image, size, round(size / ratio)))


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300), size=SIZES, ratio=RATIOS)
def test_the_result_is_always_a_square_of_the_given_size(width: int, height: int, size: int, ratio: float) -> None:
    resized = Resize(size=size, crop_ratio=ratio).apply(noise(height, width))
    assert (resized.mode, resized.size) == ("RGB", (size, size))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 100_001), (100_000, 1), (3, 50_000)])
@pytest.mark.parametrize("ratio", [0.1, 0.875, 1])
def test_lines_of_pixels_are_cut_before_they_are_resized(shape: tuple[int, int], ratio: float) -> None:
    height, width = shape
    image = Image.fromarray(np.full((height, width, 3), 77, dtype=np.uint8))
    assert np.unique(np.asarray(Resize(size=64, crop_ratio=ratio).apply(image))).tolist() == [77]


@pytest.mark.parametrize("shape", [(20, 165), (20, 166), (333, 40), (7, 280)])
def test_of_longer_images_too_the_centre_is_cut_out_at_the_same_scale(shape: tuple[int, int]) -> None:
    image = ramp(*shape)
    found = np.asarray(Resize(size=32, crop_ratio=0.8).apply(image)).astype(np.int64)
    assert np.abs(found - with_torchvision(image, 32, 40)).max() <= 1


@pytest.mark.parametrize("side", [8, 31, 64, 200])
def test_a_crop_ratio_of_1_makes_of_a_square_what_size_alone_makes(side: int) -> None:
    image = noise(side, side)
    found, expected = Resize(size=32, crop_ratio=1).apply(image), cropped_to_square(image, 32)
    assert np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize(
    ("size", "ratio", "shorter_side"), [(64, 0.875, 73), (224, 0.875, 256), (10, 0.8, 12), (15, 0.4, 38), (32, 1, 32)]
)
def test_the_shorter_side_is_rounded_half_to_even(size: int, ratio: float, shorter_side: int) -> None:
    assert Resize(size=size, crop_ratio=ratio).shorter_side == shorter_side


def test_the_smaller_the_crop_ratio_the_larger_things_appear() -> None:
    disc = Image.fromarray(np.full((100, 100, 3), 0, dtype=np.uint8))
    disc.paste((255, 255, 255), (30, 30, 70, 70))
    parts = [np.asarray(Resize(size=50, crop_ratio=ratio).apply(disc)).mean() / 255 for ratio in (1, 0.8, 0.5)]
    assert parts == pytest.approx([0.16, 0.16 / 0.8**2, 0.16 / 0.5**2], abs=0.01)
