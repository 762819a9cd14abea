"""Random erasing: the chosen share of the images, boxes inside them, everything else unchanged."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdt_core.training.augmentation.boxes import Boxes
from fdt_core.training.augmentation.draws import draw_augmentation
from fdt_core.training.augmentation.erasing import draw_erased, erase
from fdt_core.trial.recipe import Recipe


def drawn(seed: int, images: int, size: int, probability: float) -> Boxes:
    random = torch.Generator().manual_seed(seed)
    return draw_erased(images=images, image_size=size, probability=probability, random=random)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(4, 64), st.sampled_from([1, 3]), st.floats(0, 1))
def test_a_box_is_zero_and_nothing_else_changes(seed: int, size: int, channels: int, probability: float) -> None:
    pixels = torch.rand(12, channels, size, size).add_(1).to(memory_format=torch.channels_last)
    boxes, before = drawn(seed, 12, size, probability), pixels.clone()
    result = erase(pixels, boxes)
    assert result is pixels
    for index in range(12):
        top, left, height, width = (int(v[index]) for v in (boxes.top, boxes.left, boxes.height, boxes.width))
        assert top + height <= size
        assert left + width <= size
        assert 0.5 * height * width <= 0.4 * size**2
        expected = before[index].clone()
        expected[:, top : top + height, left : left + width] = 0
        assert torch.equal(result[index], expected)


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_that_share_of_the_images_is_erased(probability: float) -> None:
    boxes = drawn(0, 20_000, 32, probability)
    assert float((boxes.height > 0).double().mean()) == pytest.approx(probability, abs=0.015)
    areas = (boxes.height * boxes.width)[boxes.height > 0] / 32**2
    if probability:
        assert float(areas.mean()) == pytest.approx(0.2, abs=0.02)
        assert 0.01 < float(areas.min()) < 0.03
        assert 0.37 < float(areas.max()) < 0.45


def test_the_draws_depend_only_on_seed_and_epoch() -> None:
    def tops(seed: int, epoch: int, **more: float) -> list[int]:
        recipe = Recipe(random_erasing=0.5, **more)  # type: ignore[arg-type]  # any field of the recipe
        erased = draw_augmentation(recipe, images=300, image_size=32, seed=seed, epoch=epoch).erased
        assert erased is not None
        return list((erased.top * (erased.height > 0)).tolist())

    first = tops(0, 1)
    torch.manual_seed(5)
    assert first == tops(0, 1) == tops(0, 1, mixup=0.3)
    assert first != tops(0, 2)
    assert first != tops(1, 1)
