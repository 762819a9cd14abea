"""Random boxes: inside the image, of the size and shape that the ranges allow, uniform in position."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.training.augmentation.boxes import Boxes, draw_boxes
from tests.fdt_core.training.augmentation.box_ranges import ratios, shares


def boxes(seed: int = 0, images: int = 200, image_size: int = 32, **ranges: tuple[float, float]) -> Boxes:
    given_or_usual = {"share": (0.08, 1.0), "ratio": (3 / 4, 4 / 3)} | ranges
    return draw_boxes(
        images=images, image_size=image_size, random=torch.Generator().manual_seed(seed), **given_or_usual
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 70), shares(), ratios())
def test_a_box_is_inside_the_image_and_has_a_legal_size(
    seed: int, size: int, share: tuple[float, float], ratio: tuple[float, float]
) -> None:
    drawn = boxes(seed, image_size=size, share=share, ratio=ratio)
    sides = zip(*(values.tolist() for values in (drawn.top, drawn.left, drawn.height, drawn.width)), strict=True)
    for top, left, height, width in sides:
        assert 0 <= top <= top + height <= size
        assert 0 <= left <= left + width <= size
        assert (height == 0) == (width == 0)
        if height:  # both sides are rounded, so the unrounded ones are within half a pixel
            assert (height - 0.5) * (width - 0.5) <= share[1] * size**2 + 1e-6
            assert (height + 0.5) * (width + 0.5) >= share[0] * size**2 - 1e-6
            assert (width - 0.5) / (height + 0.5) <= ratio[1] + 1e-9
            assert (width + 0.5) / (height - 0.5) >= ratio[0] - 1e-9


def test_the_share_is_uniform_and_so_is_the_logarithm_of_the_shape() -> None:
    drawn = boxes(images=20_000, image_size=1000, share=(0.1, 0.5), ratio=(0.5, 2.0))
    share = (drawn.height * drawn.width).double() / 1000**2
    shape = (drawn.width / drawn.height).log()
    for values, low, high in ((share, 0.1, 0.5), (shape, -math.log(2), math.log(2))):
        quarters = torch.histc(values.float(), 4, min=low, max=high) / 20_000
        assert quarters.tolist() == pytest.approx([0.25] * 4, abs=0.02)
    assert abs(float(torch.corrcoef(torch.stack([share, shape.double()]))[0, 1])) < 0.03


def test_the_position_is_uniform_over_all_places_inside_the_image() -> None:
    drawn = boxes(images=20_000, image_size=8, share=(0.25, 0.25), ratio=(1.0, 1.0))
    assert drawn.height.eq(4).all()
    for starts in (drawn.top, drawn.left):
        assert (torch.bincount(starts, minlength=5) / 20_000).tolist() == pytest.approx([0.2] * 5, abs=0.015)


def test_an_image_in_which_no_try_fits_gets_a_box_without_pixels() -> None:
    drawn = boxes(share=(1.0, 1.0), ratio=(4.0, 5.0))
    assert not drawn.height.any()
    assert not drawn.width.any()


def test_cover_marks_exactly_the_values_of_the_box() -> None:
    drawn = boxes(images=20, image_size=9)
    cover = drawn.cover(image_size=9, channels=2).view(20, 9, 9, 2)
    for index in range(20):
        top, left, height, width = (int(v[index]) for v in (drawn.top, drawn.left, drawn.height, drawn.width))
        expected = torch.zeros(9, 9, 2, dtype=torch.bool)
        expected[top : top + height, left : left + width] = True
        assert torch.equal(cover[index], expected)
