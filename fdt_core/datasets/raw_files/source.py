"""What a reader of a published format passes to the writer of prepared data."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fdt_core.datasets.raw_files.resizing import Resize
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

Images = npt.NDArray[np.uint8]
"""[N, H, W, C]"""
Labels = npt.NDArray[np.int64]
"""[N]"""

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")


class Conversion(enum.Enum):
    """What was done to an image besides cropping and resizing; the value completes the sentence "2 ..."."""

    SIXTEEN_BIT = "were 16-bit"
    UPRIGHT = "turned upright"
    TRANSPARENT = "partly transparent, laid over white"
    FIRST_FRAME = "of several frames, the first taken"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Consecutive images of a split, the first of which has the index `position` in it.

    `conversions` has one entry for each image and each conversion of it.
    """

    split: Split
    position: int
    images: Images
    conversions: tuple[Conversion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as a reader found it.

    Args:
        image: shape of the images, and number of classes.
        class_names: the name of each label.
        train_labels: label of each training image.
        test_labels: likewise.
        images: all images, in any order (that of an archive, say), read only during iteration.
        notes: what a user should know: what was skipped, what is not used. One line each.
        resize: how the images are resized, if they are so by `Resize`.
    """

    image: ImageShape
    class_names: tuple[str, ...]
    train_labels: Labels
    test_labels: Labels
    images: Iterable[Placed]
    notes: tuple[str, ...] = ()
    resize: Resize | None = None

    def labels(self, split: Split) -> Labels:
        """The labels of `split`."""
        return self.train_labels if split == "train" else self.test_labels


def checked_labels(values: object, *, images: int, classes: int, where: str) -> Labels:
    """Check that a file's `values` are labels of `images` images; returns them as an array.

    Raises:
        EnvironmentProblem: naming the file `where`, unless they are whole numbers from 0 to `classes` - 1, one for each
            image.
    """
    try:
        labels = np.asarray(values)
    except ValueError as error:  # lists of unequal lengths
        raise EnvironmentProblem(f"{where}: its labels are not one number per image") from error
    if labels.ndim != 1 or len(labels) != images:
        raise EnvironmentProblem(f"{where} holds labels of shape {labels.shape} for {images:,} images")
    if images and labels.dtype.kind not in "iu":
        raise EnvironmentProblem(f"{where}: its labels are not whole numbers, such as {labels[0]!r}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        found = f"{where}: image {wrong[0]} has the label {labels[wrong[0]]}"
        raise EnvironmentProblem(f"{found}, but labels of {classes} classes go from 0 to {classes - 1}")
    return labels.astype(np.int64)
