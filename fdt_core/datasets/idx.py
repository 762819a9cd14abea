"""Fashion-MNIST: gzipped IDX files, the format of LeCun's MNIST."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fdt_core.datasets.source import Images, Source, SplitSource
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""SHA-256 of each file's uncompressed contents: distributors compress them anew, which changes the .gz."""

_CLASS_NAMES = (
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
_UNSIGNED_BYTE = 8


def read_fashion_mnist(directory: Path, image: ImageShape, *, check: bool = True) -> Source:
    """Read the four files in `directory`; 28x28 grey images are padded with black to `image`, in each channel.

    Raises EnvironmentProblem naming the file that is missing, truncated or not as published (the last with `check`).
    """
    return Source(
        image=image,
        class_names=_CLASS_NAMES,
        train=_read_split(directory, "train", image, check),
        test=_read_split(directory, "t10k", image, check),
    )


def _read_split(directory: Path, prefix: str, image: ImageShape, check: bool) -> SplitSource:
    grey = _read_idx(directory / f"{prefix}-images-idx3-ubyte.gz", dimensions=3, check=check)
    labels = _read_idx(directory / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1, check=check)
    return SplitSource(labels=labels.astype(np.int64), images=[_to_shape(grey, image)])


def _read_idx(path: Path, *, dimensions: int, check: bool) -> npt.NDArray[np.uint8]:
    try:
        contents = gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise EnvironmentProblem(f"{path} is missing") from error
    except (OSError, EOFError, zlib.error) as error:
        raise EnvironmentProblem(f"{path} is damaged: {error}") from error
    if check and hashlib.sha256(contents).hexdigest() != FASHION_MNIST_SHA256[path.name]:
        raise EnvironmentProblem(f"{path} does not have the published contents (SHA-256 differs)")
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if len(contents) < header or contents[:4] != magic:
        raise EnvironmentProblem(f"{path} is not an IDX file of {dimensions} dimension(s)")
    shape = struct.unpack(f">{dimensions}I", contents[4:header])
    if len(contents) != header + math.prod(shape):
        raise EnvironmentProblem(f"{path} is truncated: {len(contents)} bytes for an array of shape {shape}")
    return np.frombuffer(contents, dtype=np.uint8, offset=header).reshape(shape)


def _to_shape(grey: npt.NDArray[np.uint8], image: ImageShape) -> Images:
    border = (image.size - grey.shape[1]) // 2
    padded = np.pad(grey, ((0, 0), (border, border), (border, border)))
    return np.repeat(padded[..., np.newaxis], image.channels, axis=3)
