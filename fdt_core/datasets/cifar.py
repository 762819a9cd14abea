"""CIFAR-10 and CIFAR-100 in their published form for Python: pickled batches (Krizhevsky, 2009)."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy._core.multiarray

from fdt_core.datasets.file_tree import FileTree
from fdt_core.datasets.source import Images, Labels, Placed, Source, Split
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape


@dataclass(frozen=True, kw_only=True)
class CifarLayout:
    """Names of the files of one of the two data sets, and of the keys in them."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels_key: bytes
    names_key: bytes


CIFAR10_LAYOUT = CifarLayout(
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test=("test_batch",),
    meta="batches.meta",
    labels_key=b"labels",
    names_key=b"label_names",
)
CIFAR100_LAYOUT = CifarLayout(
    train=("train",), test=("test",), meta="meta", labels_key=b"fine_labels", names_key=b"fine_label_names"
)


def read_cifar(files: FileTree, image: ImageShape, layout: CifarLayout) -> Source:
    """Read the batches; a batch's rows are planes of red, green and blue."""
    batches = {
        name: _unpickle(contents, files.where(name))
        for name, contents in files.contents([*layout.train, *layout.test, layout.meta])
    }
    names = [name.decode() for name in batches[layout.meta][layout.names_key]]
    if len(names) != image.classes:
        raise EnvironmentProblem(f"{files.where(layout.meta)} names {len(names)} classes, not {image.classes}")
    return Source(
        image=image,
        class_names=tuple(names),
        train_labels=_labels(batches, layout.train, layout.labels_key),
        test_labels=_labels(batches, layout.test, layout.labels_key),
        images=[
            *_placed("train", [_images(batches[name], files.where(name), image) for name in layout.train]),
            *_placed("test", [_images(batches[name], files.where(name), image) for name in layout.test]),
        ],
    )


def _labels(batches: dict[str, dict[bytes, Any]], names: tuple[str, ...], key: bytes) -> Labels:
    return np.concatenate([np.array(batches[name][key], dtype=np.int64) for name in names])


def _images(batch: dict[bytes, Any], where: str, image: ImageShape) -> Images:
    planes = np.asarray(batch[b"data"], dtype=np.uint8)
    if planes.ndim != 2 or planes.shape[1] != image.channels * image.size**2:
        raise EnvironmentProblem(f"{where} holds an array of shape {planes.shape}, not rows of {image}")
    return planes.reshape(-1, image.channels, image.size, image.size).transpose(0, 2, 3, 1)


def _placed(split: Split, batches: list[Images]) -> Iterator[Placed]:
    position = 0
    for images in batches:
        yield Placed(split=split, position=position, images=images)
        position += len(images)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles plain values and NumPy arrays, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return getattr(np._core.multiarray, name)
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes into pickles of Python 2's protocol
            import _codecs

            return _codecs.encode
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")


def _unpickle(contents: bytes, where: str) -> dict[bytes, Any]:
    try:
        loaded = _ArraysOnly(io.BytesIO(contents), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"{where} is not a batch of CIFAR: {error}") from error
    if not isinstance(loaded, dict):
        raise EnvironmentProblem(f"{where} is not a batch of CIFAR: it holds no dictionary")
    return loaded
