"""Mixup and CutMix against a slow reference, and the draws behind them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fdt_core.training.augmentation.mixing import Mixing, draw_mixing
from fdt_core.trial.recipe import Recipe

KINDS: dict[str, dict[str, Any]] = {
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
    "both": {"mixup": 0.2, "cutmix": 0.5},
}


def drawn(images: int, batch_size: int, size: int = 32, seed: int = 0, epoch: int = 1, **recipe: Any) -> Mixing:
    mixing = draw_mixing(
        Recipe(batch_size=batch_size, **recipe), images=images, image_size=size, seed=seed, epoch=epoch
    )
    assert mixing is not None
    return mixing


def pixel_by_pixel(pixels: Tensor, mixing: Mixing) -> tuple[Tensor, float]:
    """One batch mixed one pixel at a time, and the mean share of the images' own pixels in the results."""
    mixed, own_share = torch.empty_like(pixels), 0.0
    (outside,), size = mixing.outside.tolist(), pixels.shape[2]
    top, left, height, width = (int(v) for v in (mixing.box.top, mixing.box.left, mixing.box.height, mixing.box.width))
    for index, partner in enumerate(mixing.partner.tolist()):
        for y in range(size):
            for x in range(size):
                own = 0.0 if top <= y < top + height and left <= x < left + width else outside
                mixed[index, :, y, x] = own * pixels[index, :, y, x] + (1 - own) * pixels[partner, :, y, x]
                own_share += own
    return mixed, own_share / (len(pixels) * size**2)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.sampled_from([1, 3]))
def test_images_are_mixed_as_the_labels_are_weighted(kind: str, seed: int, size: int, channels: int) -> None:
    pixels = torch.randn(7, channels, size, size).to(memory_format=torch.channels_last)
    mixing = drawn(7, 4, size, seed, **KINDS[kind])
    for number, start in enumerate((0, 4)):
        batch = mixing.batch(number, start, 4)
        own = pixels[start : start + 4]
        expected, share = pixel_by_pixel(own, batch)
        result = batch.pixels(own)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert float(batch.weight) == pytest.approx(share, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 64), st.floats(0.05, 5), st.floats(0.05, 5))
def test_boxes_are_inside_the_image_and_weights_are_shares(seed: int, size: int, mixup: float, cutmix: float) -> None:
    mixing = drawn(100, 7, size, seed, mixup=mixup, cutmix=cutmix)
    box, cut = mixing.box, mixing.outside == 1
    for start, length in ((box.top, box.height), (box.left, box.width)):
        assert (start >= 0).all()
        assert (length >= 0).all()
        assert (start + length <= size).all()
    assert ((mixing.weight >= 0) & (mixing.weight <= 1)).all()
    area = box.height * box.width / size**2
    torch.testing.assert_close(mixing.weight[cut], (1 - area)[cut])
    assert torch.equal(mixing.weight[~cut], mixing.outside[~cut])
    assert not area[~cut].any()


def test_partners_are_a_random_permutation_of_each_batch() -> None:
    mixing = drawn(1000, 64, mixup=1.0)
    batches = [mixing.partner[start : start + 64] for start in range(0, 1000, 64)]
    assert all(torch.equal(batch.sort().values, torch.arange(len(batch))) for batch in batches)
    assert not torch.equal(batches[0], batches[1])
    assert len(batches[-1]) == 1000 % 64


def test_weights_have_the_beta_distribution_and_both_kinds_are_equally_frequent() -> None:
    both = drawn(20_000, 1, mixup=0.3, cutmix=1.0)
    assert float((both.outside == 1).double().mean()) == pytest.approx(0.5, abs=0.02)
    for alpha in (0.2, 1.0, 4.0):
        weight = drawn(20_000, 1, mixup=alpha).weight.double()
        assert float(weight.mean()) == pytest.approx(0.5, abs=0.02)
        assert float(weight.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_the_draws_depend_only_on_seed_and_epoch() -> None:
    first = drawn(100, 10, mixup=0.3, cutmix=1.0)
    torch.manual_seed(3)
    again, next_epoch = drawn(100, 10, mixup=0.3, cutmix=1.0), drawn(100, 10, epoch=2, mixup=0.3, cutmix=1.0)
    assert torch.equal(first.weight, again.weight)
    assert torch.equal(first.partner, again.partner)
    assert not torch.equal(first.partner, next_epoch.partner)
    assert not torch.equal(first.weight, drawn(100, 10, seed=1, mixup=0.3, cutmix=1.0).weight)


def test_a_recipe_that_mixes_nothing_has_no_draws() -> None:
    assert draw_mixing(Recipe(), images=10, image_size=8, seed=0, epoch=1) is None
