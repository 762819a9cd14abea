"""Data sets of image files: turn a list of labelled files into a source of prepared data."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from fdt_core.datasets.raw_files.file_tree import FileTree
from fdt_core.datasets.raw_files.image_decoding import IMAGE_SUFFIXES, decode
from fdt_core.datasets.raw_files.source import SPLITS, Labels, Placed, Source, Split
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape
from fdt_core.quantities import counted

Fit = Callable[[Image.Image, int], Image.Image]
"""Resizes an RGB image to the given size, or raises ValueError."""


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """An image file and its label."""

    name: str
    label: int


def require_size(image: Image.Image, size: int) -> Image.Image:
    """The unchanged image; ValueError unless it is `size` x `size`."""
    if image.size != (size, size):
        raise ValueError(f"it is {image.width}x{image.height} pixels, not {size}x{size}")
    return image


def cropped_to_square(image: Image.Image, size: int) -> Image.Image:
    """The central square of the image, resized to `size` x `size`."""
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BICUBIC)


def source_of_files(
    files: FileTree,
    splits: Mapping[Split, Sequence[LabelledFile]],
    *,
    image: ImageShape,
    class_names: Sequence[str],
    fit: Fit = require_size,
    notes: tuple[str, ...] = (),
) -> Source:
    """A source whose images are decoded, as RGB, from the labelled files of each split, in their order."""
    return Source(
        image=image,
        class_names=tuple(class_names),
        train_labels=_labels(splits["train"]),
        test_labels=_labels(splits["test"]),
        images=_Decoded(files=files, splits=splits, size=image.size, fit=fit),
        notes=notes,
    )


def files_of_classes(files: FileTree, parent: str, classes: Sequence[str]) -> list[LabelledFile]:
    """The images in the folders `classes` of `parent` (such as `train/`), class by class, at any depth.

    Suffixes decide what is an image, so that an archive is read once. EnvironmentProblem for a class without images.
    """
    images: dict[str, list[str]] = {class_: [] for class_ in classes}
    for name in files.names:
        class_, _, inside = name.removeprefix(parent).partition("/")
        if name.startswith(parent) and inside and class_ in images and has_image_suffix(name):
            images[class_].append(name)
    for class_, found in images.items():
        if not found:
            raise EnvironmentProblem(f"{files.where(f'{parent}{class_}/')} is missing or holds no images")
    return [LabelledFile(name=name, label=label) for label, class_ in enumerate(classes) for name in images[class_]]


def unused_images(files: FileTree, parent: str, used: Sequence[LabelledFile]) -> tuple[str, ...]:
    """A note on the images in the folder `parent` that belong to no class; empty if all are used."""
    unused = sum(name.startswith(parent) and has_image_suffix(name) for name in files.names) - len(used)
    return (f"not used: {counted(unused, 'image')} below {parent} in no class",) if unused else ()


def has_image_suffix(name: str) -> bool:
    """Whether the file's name has the suffix of an image."""
    return posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class _Decoded:
    """Iterable of the decoded images, in the order in which the tree yields the files."""

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
            try:
                image, conversions = decode(contents)
                fitted = self.fit(image, self.size)
            except ValueError as error:
                where = self.files.where(name)
                raise EnvironmentProblem(f"{where} is not a usable image: {error} (replace or remove it)") from error
            pixels = np.asarray(fitted, dtype=np.uint8)[np.newaxis]
            yield Placed(split=split, position=position, images=pixels, conversions=conversions)


def _labels(labelled: Sequence[LabelledFile]) -> Labels:
    return np.array([file.label for file in labelled], dtype=np.int64)
