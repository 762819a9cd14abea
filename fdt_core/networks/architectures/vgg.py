"""The plan of a VGG for small images: 3x3 convolutions with batch normalisation, max-pooling, one linear layer.

One slot per convolution. (Simonyan and Zisserman, 'Very Deep Convolutional Networks', 2015.)
"""

from __future__ import annotations

from fdt_core.errors import UsageError
from fdt_core.image import ImageShape
from fdt_core.networks.layers import GlobalAveragePool, Layer, Linear, MaxPool, Shape, conv_norm_relu


def vgg_plan(
    widths: tuple[int, ...], *, width: float, image: ImageShape, convolutions: tuple[int, ...]
) -> tuple[Layer, ...]:
    """The layers of a VGG with groups of `convolutions[i]` convolutions, each followed by max-pooling.

    Args:
        widths: filters of each convolution.
        width: unused, because every convolution is a slot.
        image: the shape of the images and the number of classes.
        convolutions: number of convolutions in each group.

    Raises:
        UsageError: if the image is too small for the pooling.
    """
    smallest = 2 ** len(convolutions)
    if image.size < smallest:
        raise UsageError(
            f"VGG halves the image {len(convolutions)} times: it needs at least {smallest} pixels, not {image.size}"
        )
    layers: list[Layer] = []
    shape = Shape(channels=image.channels, size=image.size)
    filters = iter(widths)
    for count in convolutions:
        for _ in range(count):
            layers += conv_norm_relu(shape, next(filters))
            shape = layers[-1].output
        layers.append(MaxPool(input=shape))
        shape = layers[-1].output
    return (*layers, *_head(shape, image.classes))


def _head(shape: Shape, classes: int) -> tuple[Layer, ...]:
    """The classifier. One value per map is left of 32x32 images; larger maps are averaged, to keep its size."""
    if shape.size == 1:
        return (Linear(input=shape, outputs=classes),)
    pool = GlobalAveragePool(input=shape)
    return (pool, Linear(input=pool.output, outputs=classes))
