"""What a reader of some published format hands to the writer of prepared data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fdt_core.image import ImageShape

Images = npt.NDArray[np.uint8]
"""[N, H, W, C]"""
Labels = npt.NDArray[np.int64]
"""[N]"""

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Consecutive images of a split, the first of which is number `position` of it."""

    split: Split
    position: int
    images: Images


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as a reader found it.

    Args:
        image: shape of the images, and number of classes.
        class_names: the name of each label.
        train_labels: label of each training image.
        test_labels: likewise.
        images: all images, in any order (that of an archive, say), read only when they are asked for.
    """

    image: ImageShape
    class_names: tuple[str, ...]
    train_labels: Labels
    test_labels: Labels
    images: Iterable[Placed]

    def labels(self, split: Split) -> Labels:
        """The labels of `split`."""
        return self.train_labels if split == "train" else self.test_labels
