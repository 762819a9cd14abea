"""Data sets published as image files: from a list of labelled files to a source of prepared data."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from fdt_core.datasets.file_tree import FileTree
from fdt_core.datasets.source import SPLITS, Labels, Placed, Source, Split
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".gif")

Fit = Callable[[Image.Image, int], Image.Image]
"""Brings an RGB image to the given size, or raises ValueError."""


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """An image file and its label."""

    name: str
    label: int


def require_size(image: Image.Image, size: int) -> Image.Image:
    """The image as it is; ValueError unless it is `size` x `size`."""
    if image.size != (size, size):
        raise ValueError(f"it is {image.width}x{image.height} pixels, not {size}x{size}")
    return image


def source_of_files(
    files: FileTree,
    splits: Mapping[Split, Sequence[LabelledFile]],
    *,
    image: ImageShape,
    class_names: Sequence[str],
    fit: Fit = require_size,
) -> Source:
    """The source whose images are decoded, as RGB, from the labelled files of each split, in their order."""
    return Source(
        image=image,
        class_names=tuple(class_names),
        train_labels=_labels(splits["train"]),
        test_labels=_labels(splits["test"]),
        images=_Decoded(files=files, splits=splits, size=image.size, fit=fit),
    )


def image_names(files: FileTree, folder: str) -> list[str]:
    """Names of the image files below `folder` (such as `train/cat/`); EnvironmentProblem where there is none."""
    found = [name for name in files.names if name.startswith(folder) and name.lower().endswith(IMAGE_SUFFIXES)]
    if not found:
        raise EnvironmentProblem(f"{files.where(folder)} is missing or holds no images")
    return found


@dataclass(frozen=True, kw_only=True)
class _Decoded:
    """Iterable of the decoded images, in the order in which the tree yields its files."""

    files: FileTree
    splits: Mapping[Split, Sequence[LabelledFile]]
    size: int
    fit: Fit

    def __iter__(self) -> Iterator[Placed]:
        places = {
            labelled.name: (split, position) for split in SPLITS for position, labelled in enumerate(self.splits[split])
        }
        for name, contents in self.files.contents(places.keys()):
            split, position = places[name]
            yield Placed(split=split, position=position, images=self._decode(name, contents))

    def _decode(self, name: str, contents: bytes) -> np.ndarray[tuple[int, int, int, int], np.dtype[np.uint8]]:
        try:
            with Image.open(io.BytesIO(contents)) as opened:
                fitted = self.fit(opened.convert("RGB"), self.size)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise EnvironmentProblem(f"{self.files.where(name)} is not a usable image: {error}") from error
        return np.asarray(fitted, dtype=np.uint8)[np.newaxis]


def _labels(labelled: Sequence[LabelledFile]) -> Labels:
    return np.array([file.label for file in labelled], dtype=np.int64)
