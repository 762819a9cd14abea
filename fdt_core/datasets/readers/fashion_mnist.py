"""Read Fashion-MNIST (Xiao et al., 2017): gzipped IDX files, the format of LeCun's MNIST."""

from __future__ import annotations

import gzip
import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from fdt_core.datasets.raw_files.file_tree import FileTree
from fdt_core.datasets.raw_files.source import Images, Labels, Placed, Source, checked_labels
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_SIZE = 28
_UNSIGNED_BYTE = 8


def read_fashion_mnist(files: FileTree, image: ImageShape) -> Source:
    """Read the four files; 28x28 grey images are padded with black to the size of `image`, equal in all channels."""
    train, train_labels = _read_split(files, "train", image)
    test, test_labels = _read_split(files, "t10k", image)
    return Source(
        image=image,
        class_names=CLASS_NAMES,
        train_labels=train_labels,
        test_labels=test_labels,
        images=[Placed(split="train", position=0, images=train), Placed(split="test", position=0, images=test)],
    )


def _read_split(files: FileTree, prefix: str, image: ImageShape) -> tuple[Images, Labels]:
    images_file, labels_file = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
    grey = _read_idx(files, images_file, dimensions=3)
    if grey.shape[1:] != (_SIZE, _SIZE):
        raise EnvironmentProblem(
            f"{files.where(images_file)} holds an array of shape {grey.shape}, not images of {_SIZE}x{_SIZE}"
        )
    labels = _read_idx(files, labels_file, dimensions=1)
    where = files.where(labels_file)
    return _padded(grey, image), checked_labels(labels, images=len(grey), classes=image.classes, where=where)


def _read_idx(files: FileTree, name: str, *, dimensions: int) -> npt.NDArray[np.uint8]:
    try:
        contents = gzip.decompress(files.content(name))
    except (OSError, EOFError, zlib.error) as error:
        raise EnvironmentProblem(f"{files.where(name)} is damaged or truncated: {error}") from error
    header = 4 + 4 * dimensions
    if len(contents) < header or contents[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
        raise EnvironmentProblem(f"{files.where(name)} is not an IDX file of {dimensions} dimension(s)")
    shape = struct.unpack(f">{dimensions}I", contents[4:header])
    if len(contents) != header + math.prod(shape):
        raise EnvironmentProblem(f"{files.where(name)} has {len(contents)} bytes for an array of shape {shape}")
    return np.frombuffer(contents, dtype=np.uint8, offset=header).reshape(shape)


def _padded(grey: npt.NDArray[np.uint8], image: ImageShape) -> Images:
    border = (image.size - _SIZE) // 2
    padded = np.pad(grey, ((0, 0), (border, border), (border, border)))
    return np.repeat(padded[..., np.newaxis], image.channels, axis=3)
