"""Plans of ResNets for small images: a 3x3 stem of stride 1, four stages, global average pooling, one linear layer.

The template does not cover the stem. (He et al., 'Deep Residual Learning', 2016; version 1, projection shortcuts.)
"""

from __future__ import annotations

from collections.abc import Iterator

from fdt_core.image import ImageShape
from fdt_core.networks.layers import GlobalAveragePool, Layer, Linear, ReLU, Residual, Shape, conv_norm, conv_norm_relu
from fdt_core.scaling import scaled

STEM_FILTERS = 64
BOTTLENECK_EXPANSION = 4


def basic_resnet_plan(
    widths: tuple[int, ...], *, width: float, image: ImageShape, blocks: tuple[int, ...]
) -> tuple[Layer, ...]:
    """The layers of a ResNet with two 3x3 convolutions per block.

    Args:
        widths: filters of each block's first convolution; all blocks of a stage output as many maps as the stage's
            first block has filters there.
        width: multiplier of the stem's filters.
        image: the shape of the images and the number of classes.
        blocks: blocks per stage; each stage but the first halves the size.
    """
    layers = _stem(width, image)
    for index, stage_start, stride in _positions(blocks):
        layers += _basic_block(layers[-1].output, widths[index], widths[stage_start], stride)
    return (*layers, *_head(layers[-1].output, image.classes))


def bottleneck_resnet_plan(
    widths: tuple[int, ...], *, width: float, image: ImageShape, blocks: tuple[int, ...]
) -> tuple[Layer, ...]:
    """The layers of a ResNet of bottlenecks: a 1x1, a 3x3 (with the stride) and a 1x1 convolution per block.

    Args:
        widths: filters of each block's first and second convolution; all blocks of a stage output four times as many
            maps as the first convolution of the stage's first block has filters.
        width: multiplier of the stem's filters.
        image: the shape of the images and the number of classes.
        blocks: blocks per stage; each stage but the first halves the size.
    """
    layers = _stem(width, image)
    for index, stage_start, stride in _positions(blocks):
        narrow, middle = widths[2 * index : 2 * index + 2]
        outputs = BOTTLENECK_EXPANSION * widths[2 * stage_start]
        layers += _bottleneck(layers[-1].output, narrow, middle, outputs, stride)
    return (*layers, *_head(layers[-1].output, image.classes))


def _stem(width: float, image: ImageShape) -> list[Layer]:
    shape = Shape(channels=image.channels, size=image.size)
    return list(conv_norm_relu(shape, scaled(STEM_FILTERS, width)))


def _positions(blocks: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """For each block: its index, the index of its stage's first block, and its stride."""
    stage_start = 0
    for stage, count in enumerate(blocks):
        for index in range(stage_start, stage_start + count):
            yield index, stage_start, 2 if stage > 0 and index == stage_start else 1
        stage_start += count


def _basic_block(shape: Shape, filters: int, outputs: int, stride: int) -> tuple[Layer, ...]:
    first = conv_norm_relu(shape, filters, stride=stride)
    return _residual(shape, (*first, *conv_norm(first[-1].output, outputs)), stride)


def _bottleneck(shape: Shape, narrow: int, middle: int, outputs: int, stride: int) -> tuple[Layer, ...]:
    first = conv_norm_relu(shape, narrow, kernel=1)
    second = conv_norm_relu(first[-1].output, middle, stride=stride)
    return _residual(shape, (*first, *second, *conv_norm(second[-1].output, outputs, kernel=1)), stride)


def _residual(shape: Shape, body: tuple[Layer, ...], stride: int) -> tuple[Layer, ...]:
    """The block around `body`; its shortcut is projected only if the shape changes."""
    output = body[-1].output
    projected = stride != 1 or shape.channels != output.channels
    shortcut = conv_norm(shape, output.channels, kernel=1, stride=stride) if projected else ()
    return (Residual(input=shape, body=body, shortcut=shortcut), ReLU(input=output))


def _head(shape: Shape, classes: int) -> tuple[Layer, ...]:
    pool = GlobalAveragePool(input=shape)
    return (pool, Linear(input=pool.output, outputs=classes))
