"""Fashion-MNIST with labels and images that do not match."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.errors import EnvironmentProblem
from tests.fdt_core.datasets.archives import fashion_mnist_files, write_folder

LABELS, IMAGES = "t10k-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"


def idx(*shape: int, value: int = 0) -> bytes:
    header = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    return gzip.compress(header + np.full(shape, value, dtype=np.uint8).tobytes(), mtime=0)


@pytest.mark.parametrize(
    ("file", "contents", "reason"),
    [
        (LABELS, idx(10, value=10), "image 0 has the label 10, but labels of 10 classes go from 0 to 9"),
        (LABELS, idx(9), r"labels of shape \(9,\) for 10 images"),
        (IMAGES, idx(10, 32, 32), r"shape \(10, 32, 32\), not images of 28x28"),
    ],
    ids=["label out of range", "too few labels", "wrong size"],
)
def test_inconsistent_files_are_refused_with_their_names(
    tmp_path: Path, file: str, contents: bytes, reason: str
) -> None:
    origin = write_folder(tmp_path / "files", fashion_mnist_files() | {file: contents})
    with pytest.raises(EnvironmentProblem, match=f"{file}.*{reason}"):
        prepare_dataset("fashion_mnist", tmp_path / "data", origin=origin, unchecked=True)
