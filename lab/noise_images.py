"""Images of noise in the shape of CIFAR-10: speed does not depend on what the pixels show."""

from __future__ import annotations

import numpy as np

from fdt_core.datasets.info import DatasetInfo
from fdt_core.datasets.prepared import PreparedDataset
from fdt_core.datasets.store import channel_moments
from fdt_core.image import ImageShape


def noise_images(count: int) -> PreparedDataset:
    """A data set of `count` training and `count` test images, 32x32 in 10 classes."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = random.integers(0, 10, count)
    mean, std = channel_moments(images[:1000])
    return PreparedDataset(
        info=DatasetInfo(name="noise", image=ImageShape(), train_images=count, test_images=count),
        digest="",
        class_names=tuple("0123456789"),
        mean=mean,
        std=std,
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
    )
