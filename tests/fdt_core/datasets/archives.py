"""Small archives with exactly the layouts of the paper's published data sets."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fdt_core.datasets.readers.cinic10 import CINIC10_CLASSES

Files = dict[str, bytes]


def pixels(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def image_file(array: np.ndarray[Any, Any], format: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format)
    return buffer.getvalue()


def write_tar(path: Path, files: Files, top: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, contents in files.items():
            member = tarfile.TarInfo(f"{top}{name}")
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
    return path


def write_zip(path: Path, files: Files, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in files.items():
            archive.writestr(f"{top}{name}", contents)
    return path


def write_folder(path: Path, files: Files) -> Path:
    for name, contents in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(contents)
    return path


def without(files: Files, prefixes: Iterable[str]) -> Files:
    return {name: contents for name, contents in files.items() if not name.startswith(tuple(prefixes))}


def cifar10_files(per_batch: int = 20) -> Files:
    """Five training batches and a test batch, pickled as Python 2 did, with rows of planes."""
    batches = {
        name: {
            b"batch_label": name.encode(),
            b"labels": [int(label) for label in np.arange(per_batch) % 10],
            b"data": pixels(per_batch, 3072, seed=number),
            b"filenames": [b"x.png"] * per_batch,
        }
        for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"])
    }
    names = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
    meta = {b"num_cases_per_batch": per_batch, b"label_names": names, b"num_vis": 3072}
    return {
        name: pickle.dumps(contents, protocol=2) for name, contents in (batches | {"batches.meta": meta}).items()
    } | {"readme.html": b"<html>"}


def cifar100_files(images: int = 200) -> Files:
    batches = {
        name: {
            b"filenames": [b"x.png"] * images,
            b"fine_labels": [int(label) for label in np.arange(images) % 100],
            b"coarse_labels": [0] * images,
            b"data": pixels(images, 3072, seed=number),
        }
        for number, name in enumerate(["train", "test"])
    }
    meta = {b"fine_label_names": [f"fine{i}".encode() for i in range(100)], b"coarse_label_names": [b"coarse"] * 20}
    return {name: pickle.dumps(contents, protocol=2) for name, contents in (batches | {"meta": meta}).items()}


def cinic10_files(per_class: int = 3) -> Files:
    """Three splits of a folder per class; PNG, some of them grey as in the original."""
    files: Files = {"README.md": b"CINIC-10", "imagenet-contributors.csv": b""}
    for split_number, split in enumerate(("train", "valid", "test")):
        for label, name in enumerate(CINIC10_CLASSES):
            for i in range(per_class):
                seed = 1000 * split_number + 10 * label + i
                array = pixels(32, 32, seed=seed) if i == 0 else pixels(32, 32, 3, seed=seed)
                files[f"{split}/{name}/n0{label}_{i}.png"] = image_file(array, "PNG")
    return files


def tinyimagenet_files(classes: int = 200, per_class: int = 2) -> Files:
    """JPEG; the validation images are in one folder, with a file that names their classes; the ids are not sorted."""
    ids = [f"n{(7919 * number) % 100_003:08d}" for number in range(classes)]
    files: Files = {
        "wnids.txt": "\n".join(ids).encode() + b"\n",
        "words.txt": "".join(f"{id_}\tthing {id_}, other name\n" for id_ in ids).encode(),
    }
    annotations = []
    for number, id_ in enumerate(ids):
        for i in range(per_class):
            array = pixels(64, 64, seed=number + i) if i == 0 else pixels(64, 64, 3, seed=number + i)
            files[f"train/{id_}/images/{id_}_{i}.JPEG"] = image_file(array, "JPEG")
        files[f"train/{id_}/{id_}_boxes.txt"] = b"0\t0\t1\t1\n"
        files[f"val/images/val_{number}.JPEG"] = image_file(pixels(64, 64, 3, seed=5000 + number), "JPEG")
        annotations.append(f"val_{number}.JPEG\t{id_}\t0\t0\t62\t62\n")
    files["val/val_annotations.txt"] = "".join(annotations).encode()
    files["test/images/test_0.JPEG"] = image_file(pixels(64, 64, 3), "JPEG")
    return files


def fashion_mnist_files(train: int = 30, test: int = 10) -> Files:
    def idx(array: np.ndarray[Any, Any]) -> bytes:
        header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
        return gzip.compress(header + array.astype(np.uint8).tobytes())

    return {
        f"{prefix}-{part}": idx(array)
        for prefix, count in (("train", train), ("t10k", test))
        for part, array in (
            ("images-idx3-ubyte.gz", pixels(count, 28, 28, seed=count)),
            ("labels-idx1-ubyte.gz", np.arange(count) % 10),
        )
    }


def published(name: str, folder: Path) -> Path:
    """A small archive of the paper's data set `name`, named and laid out as the published one."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "cifar10":
        return write_tar(folder / "cifar-10-python.tar.gz", cifar10_files(), "cifar-10-batches-py/")
    if name == "cifar100":
        return write_tar(folder / "cifar-100-python.tar.gz", cifar100_files(), "cifar-100-python/")
    if name == "cinic10":
        return write_tar(folder / "CINIC-10.tar.gz", cinic10_files(), "./")
    return write_zip(folder / "tiny-imagenet-200.zip", tinyimagenet_files(), "tiny-imagenet-200/")
