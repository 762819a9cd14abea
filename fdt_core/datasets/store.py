"""The files of a prepared data set: four arrays and a description.

<data directory>/<name>/dataset.json         name, image, class names, constants, digest
                        train_images.npy     uint8 [N, H, W, C]
                        train_labels.npy     int64 [N]
                        test_images.npy, test_labels.npy
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fdt_core.datasets.info import DatasetInfo
from fdt_core.datasets.raw_files.resizing import Resize
from fdt_core.datasets.raw_files.source import SPLITS, Conversion, Images, Source, Split
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

FORMAT = 1
"""Raised when the layout of the files changes; data prepared in another format must be prepared again."""

DESCRIPTION = "dataset.json"
_PREPARE_AGAIN = "prepare the data set again, with --replace"
_CHUNK = 1000  # images


@dataclass(frozen=True, kw_only=True)
class Description:
    """The contents of dataset.json.

    Args:
        format: see `FORMAT`.
        name: name of the data set.
        image: shape of one image.
        train_images: number of training images.
        test_images: number of test images.
        class_names: the name of each label.
        mean: mean of each channel over the training images, as a fraction of the full scale (0 to 1).
        std: standard deviation, likewise, with ddof 1.
        digest: see `content_digest`.
        notes: what was skipped, unused or converted during preparation; one line each.
        resize: how the images were resized, if they were so by `Resize`.
    """

    format: int
    name: str
    image: ImageShape
    train_images: int
    test_images: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    notes: tuple[str, ...] = ()
    resize: Resize | None = None

    @property
    def info(self) -> DatasetInfo:
        """The facts that planning needs."""
        return DatasetInfo(
            name=self.name, image=self.image, train_images=self.train_images, test_images=self.test_images
        )


def write_files(name: str, source: Source, directory: Path) -> Description:
    """Write the files of data set `name` to the existing, empty `directory`; returns their description."""
    for split in SPLITS:
        if len(source.labels(split)) == 0:
            raise EnvironmentProblem(f"{name} has no {split} images")
        np.save(directory / f"{split}_labels.npy", source.labels(split))
    conversions = _write_images(source, directory)
    mean, std = channel_moments(open_array(directory, "train_images"))
    description = Description(
        format=FORMAT,
        name=name,
        image=source.image,
        train_images=len(source.train_labels),
        test_images=len(source.test_labels),
        class_names=source.class_names,
        mean=mean,
        std=std,
        digest=content_digest(directory, source.class_names, source.resize),
        notes=(*source.notes, *_conversion_notes(conversions)),
        resize=source.resize,
    )
    (directory / DESCRIPTION).write_text(_as_json(description))
    return description


def _as_json(description: Description) -> str:
    """The text of dataset.json; without `resize`, it is that of versions that did not know the key."""
    values = dataclasses.asdict(description)
    if description.resize is None:
        del values["resize"]
    return json.dumps(values, indent=1) + "\n"


def read_description(directory: Path) -> Description:
    """Read dataset.json. Raises EnvironmentProblem if it is damaged, FileNotFoundError if there is none."""
    path = directory / DESCRIPTION
    try:
        description = TypeAdapter(Description).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise EnvironmentProblem(f"{path} is damaged ({error.errors()[0]['msg']}): {_PREPARE_AGAIN}") from error
    if description.format != FORMAT:
        raise EnvironmentProblem(
            f"{path} has format {description.format}, and this version reads {FORMAT}: {_PREPARE_AGAIN}"
        )
    return description


def open_array(directory: Path, name: str) -> npt.NDArray[Any]:
    """Memory-map `<name>.npy`. Raises EnvironmentProblem if it is missing or damaged.

    The mapping is copy-on-write: all processes of a machine share its pages, and torch accepts it as writable memory.
    """
    path = directory / f"{name}.npy"
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise EnvironmentProblem(f"{path} is damaged ({error}): {_PREPARE_AGAIN}") from error
    return array


def content_digest(directory: Path, class_names: tuple[str, ...], resize: Resize | None) -> str:
    """SHA-256 of class names, `resize` and each array's type, shape and bytes: equal everywhere for equal contents."""
    digest = hashlib.sha256(json.dumps(class_names).encode())
    if resize is not None:
        digest.update(f"resize {resize}".encode())
    for name in (f"{split}_{part}" for split in SPLITS for part in ("images", "labels")):
        array = open_array(directory, name)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        for chunk in _chunks(array):
            digest.update(np.ascontiguousarray(chunk).data)
    return digest.hexdigest()


def channel_moments(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation (ddof 1) of each channel of uint8 [N, H, W, C], as fractions of the full scale.

    Computed from an integer histogram, so that the result does not depend on the machine.
    """
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for chunk in _chunks(images):
        for channel in range(channels):
            counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
    means, stds = zip(*(_moments(histogram.tolist()) for histogram in counts), strict=True)
    return means, stds


def _moments(histogram: list[int]) -> tuple[float, float]:
    count = sum(histogram)
    total = sum(value * times for value, times in enumerate(histogram))
    squares = sum(value * value * times for value, times in enumerate(histogram))
    variance = (count * squares - total * total) / (count * (count - 1))
    return total / count / 255, variance**0.5 / 255


def _conversion_notes(conversions: Counter[Conversion]) -> Iterator[str]:
    if conversions:
        yield "converted: " + ", ".join(
            f"{conversions[kind]:,} {kind.value}" for kind in Conversion if conversions[kind]
        )


def _write_images(source: Source, directory: Path) -> Counter[Conversion]:
    """Write each image to its place, and count the conversions.

    Uses plain writes, because a full disk kills a process that writes to a memory map.
    """
    conversions = Counter[Conversion]()
    with contextlib.ExitStack() as stack:
        files = {split: stack.enter_context(_ImageFile.create(source, split, directory)) for split in SPLITS}
        for placed in source.images:
            files[placed.split].write(placed.position, placed.images)
            conversions.update(placed.conversions)
        for file in files.values():
            file.require_complete()
    return conversions


class _ImageFile(contextlib.AbstractContextManager["_ImageFile"]):
    """An .npy file whose images are written in any order."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._path, self._shape = path, shape
        self._image_bytes = math.prod(shape[1:])
        self._missing = np.ones(shape[0], dtype=np.bool_)
        self._file = path.open("wb")
        header = {"descr": np.dtype(np.uint8).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()

    @classmethod
    def create(cls, source: Source, split: Split, directory: Path) -> _ImageFile:
        image = source.image
        shape = (len(source.labels(split)), image.size, image.size, image.channels)
        return cls(directory / f"{split}_images.npy", shape)

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, position: int, images: Images) -> None:
        if images.shape[1:] != self._shape[1:] or position + len(images) > self._shape[0]:
            raise EnvironmentProblem(f"{self._path.stem}: images {images.shape} at {position} of {self._shape}")
        self._file.seek(self._start + position * self._image_bytes)
        self._file.write(np.ascontiguousarray(images).data)
        self._missing[position : position + len(images)] = False

    def require_complete(self) -> None:
        if self._missing.any():
            raise EnvironmentProblem(f"{self._path.stem}: {self._missing.sum()} of {self._shape[0]} images are missing")


def _chunks(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    for start in range(0, len(array), _CHUNK):
        yield array[start : start + _CHUNK]
