"""Read CIFAR-10 and CIFAR-100 as published for Python: pickled batches (Krizhevsky, 2009)."""

from __future__ import annotations

import codecs
import importlib
import io
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fdt_core.datasets.raw_files.file_tree import FileTree
from fdt_core.datasets.raw_files.source import Images, Labels, Placed, Source, Split, checked_labels
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape


@dataclass(frozen=True, kw_only=True)
class CifarLayout:
    """The file names of one of the two data sets, and the keys in the files."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels_key: str
    names_key: str


CIFAR10_LAYOUT = CifarLayout(
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test=("test_batch",),
    meta="batches.meta",
    labels_key="labels",
    names_key="label_names",
)
CIFAR100_LAYOUT = CifarLayout(
    train=("train",), test=("test",), meta="meta", labels_key="fine_labels", names_key="fine_label_names"
)


def read_cifar(files: FileTree, image: ImageShape, layout: CifarLayout) -> Source:
    """Read the batches, whose rows are planes of red, green and blue."""
    loaded = {
        name: _unpickle(contents, files.where(name))
        for name, contents in files.contents([*layout.train, *layout.test, layout.meta])
    }
    where = files.where(layout.meta)
    names = _class_names(_entry(loaded[layout.meta], layout.names_key, where), where)
    if len(names) != image.classes:
        raise EnvironmentProblem(f"{where} names {len(names)} classes, not {image.classes}")

    def batches(split: tuple[str, ...]) -> list[_Batch]:
        return [_batch(loaded[name], files.where(name), layout.labels_key, image) for name in split]

    train, test = batches(layout.train), batches(layout.test)
    return Source(
        image=image,
        class_names=names,
        train_labels=np.concatenate([batch.labels for batch in train]),
        test_labels=np.concatenate([batch.labels for batch in test]),
        images=[*_placed("train", train), *_placed("test", test)],
    )


@dataclass(frozen=True, kw_only=True)
class _Batch:
    images: Images
    labels: Labels


def _batch(contents: Mapping[str, Any], where: str, labels_key: str, image: ImageShape) -> _Batch:
    images = _images(_entry(contents, "data", where), where, image)
    labels = _entry(contents, labels_key, where)
    return _Batch(images=images, labels=checked_labels(labels, images=len(images), classes=image.classes, where=where))


def _entry(contents: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in contents:
        raise EnvironmentProblem(
            f"{where} has no {key!r}, only {', '.join(map(repr, contents)) or 'an empty dictionary'}"
        )
    return contents[key]


def _class_names(names: Any, where: str) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, bytes | str) for name in names):
        raise EnvironmentProblem(f"{where}: its class names are not a list of strings")
    return tuple(_text(name) for name in names)


def _text(value: Any) -> Any:
    """Bytes as text, anything else unchanged: Python 2, which wrote the published files, made no difference."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _images(data: Any, where: str, image: ImageShape) -> Images:
    """Rows of planes as pixels [N, H, W, C]."""
    try:
        planes = np.asarray(data)
    except ValueError as error:  # lists of unequal lengths
        raise EnvironmentProblem(f"{where} holds no array of images") from error
    if planes.ndim != 2 or planes.shape[1] != image.channels * image.size**2:
        raise EnvironmentProblem(f"{where} holds an array of shape {planes.shape}, not rows of {image}")
    if planes.dtype.kind not in "iu" or (planes.size and not 0 <= planes.min() <= planes.max() <= 255):
        raise EnvironmentProblem(f"{where} holds pixels that are not whole numbers from 0 to 255 ({planes.dtype})")
    pixels: Images = planes.astype(np.uint8, copy=False)
    return pixels.reshape(-1, image.channels, image.size, image.size).transpose(0, 2, 3, 1)


def _placed(split: Split, batches: list[_Batch]) -> Iterator[Placed]:
    position = 0
    for batch in batches:
        yield Placed(split=split, position=position, images=batch.images)
        position += len(batch.images)


_NUMPY_PARTS = {
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),  # arrays in pickles of protocol 5
}


class _ArraysOnly(pickle.Unpickler):
    """Unpickles plain values and NumPy arrays only: nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.replace("numpy.core", "numpy._core"), name) in _NUMPY_PARTS:
            return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 pickles bytes in protocol 2
            return codecs.encode
        if (module, name) == ("__builtin__", "bytes"):  # likewise, if they are empty
            return bytes
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")


def _unpickle(contents: bytes, where: str) -> dict[str, Any]:
    try:
        loaded = _ArraysOnly(io.BytesIO(contents), encoding="bytes").load()
    except Exception as error:  # pickle promises no type: damaged files raised TypeError, AttributeError and more
        raise EnvironmentProblem(f"{where} is not a CIFAR batch: {error or type(error).__name__}") from error
    if not isinstance(loaded, dict):
        raise EnvironmentProblem(f"{where} is not a CIFAR batch: it holds no dictionary")
    return {str(_text(key)): value for key, value in loaded.items()}
