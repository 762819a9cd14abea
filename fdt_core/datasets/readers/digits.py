"""Read the embedded data set: scikit-learn's handwritten digits, real 8x8 images that need no download."""

from __future__ import annotations

import numpy as np

from fdt_core.datasets.raw_files.source import Images, Labels, Placed, Source
from fdt_core.image import ImageShape

_ENLARGED = 4
_LEVELS = 17
_TEST_EVERY = 5


def read_digits(image: ImageShape) -> Source:
    """Enlarge each pixel to 4x4, spread the 17 grey levels over 0 to 255, and use every fifth image for the test."""
    from sklearn.datasets import load_digits  # takes half a second, and only this data set needs it

    digits = load_digits()
    levels = np.array([255 * level // (_LEVELS - 1) for level in range(_LEVELS)], dtype=np.uint8)
    grey = levels[digits.images.astype(np.int64)].repeat(_ENLARGED, axis=1).repeat(_ENLARGED, axis=2)
    images: Images = np.repeat(grey[..., np.newaxis], image.channels, axis=3)
    labels: Labels = digits.target.astype(np.int64)
    test = np.arange(len(labels)) % _TEST_EVERY == 0
    return Source(
        image=image,
        class_names=tuple(str(digit) for digit in range(image.classes)),
        train_labels=labels[~test],
        test_labels=labels[test],
        images=(
            Placed(split="train", position=0, images=images[~test]),
            Placed(split="test", position=0, images=images[test]),
        ),
    )
