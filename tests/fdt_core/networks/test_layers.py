"""Shapes of layers, and plans whose layers do not fit together."""

import pytest

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.layers import (
    BatchNorm,
    Conv,
    GlobalAveragePool,
    Layer,
    Linear,
    MaxPool,
    ReLU,
    Residual,
    Shape,
    check_connected,
    conv_norm,
    conv_norm_relu,
    walk,
)

IMAGE = ImageShape(size=9, channels=3, classes=5)
PIXELS = Shape(channels=3, size=9)


def test_each_layer_knows_the_shape_it_writes() -> None:
    maps = Shape(channels=4, size=9)
    assert Conv(input=PIXELS, filters=7).output == Shape(channels=7, size=9)
    assert Conv(input=PIXELS, filters=7, stride=2).output == Shape(channels=7, size=5)
    assert Conv(input=PIXELS, filters=7, kernel=1, stride=2).output == Shape(channels=7, size=5)
    assert MaxPool(input=maps).output == Shape(channels=4, size=4)
    assert BatchNorm(input=maps).output == ReLU(input=maps).output == maps
    assert GlobalAveragePool(input=maps).output == Shape(channels=4, size=1)
    assert Linear(input=maps, outputs=5).output == Shape(channels=5, size=1)
    assert maps.elements == 4 * 9 * 9


def test_layers_are_walked_in_order_of_execution_and_the_sum_comes_last() -> None:
    block = Residual(input=PIXELS, body=conv_norm(PIXELS, 6), shortcut=conv_norm(PIXELS, 6, kernel=1))
    assert list(walk((block,))) == [*block.body, *block.shortcut, block]


def test_a_body_and_a_shortcut_must_write_the_same_shape() -> None:
    with pytest.raises(UsageError, match="a residual body writes 6 maps of 9x9, but its shortcut 3 maps of 9x9"):
        Residual(input=PIXELS, body=conv_norm(PIXELS, 6))


def test_a_plan_whose_layers_fit_is_accepted() -> None:
    body = conv_norm_relu(PIXELS, 4)
    pool = GlobalAveragePool(input=body[-1].output)
    check_connected((*body, pool, Linear(input=pool.output, outputs=5)), IMAGE, "mine")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), "mine: the last layer writes 3 maps of 9x9, not one value for each of 5 classes"),
        ((ReLU(input=Shape(channels=1, size=9)),), "mine: a ReLU reads 1 maps of 9x9, but is given 3 maps of 9x9"),
        ((MaxPool(input=PIXELS, window=10),), "mine: the image is too small: a MaxPool writes 3 maps of 0x0"),
        ((Conv(input=PIXELS, filters=4, kernel=2),), "mine: a Conv has a kernel of 2: only odd ones are padded evenly"),
        ((Linear(input=PIXELS, outputs=4),), "the last layer writes 4 maps of 1x1"),
        (
            (Residual(input=PIXELS, body=(ReLU(input=PIXELS), *conv_norm(Shape(channels=4, size=9), 3))),),
            "a Conv reads 4 maps of 9x9, but is given 3 maps of 9x9",
        ),
    ],
)
def test_a_plan_whose_layers_do_not_fit_is_rejected(layers: tuple[Layer, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_connected(layers, IMAGE, "mine")
