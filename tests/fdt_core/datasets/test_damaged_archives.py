"""Archives that are damaged, incomplete or missing, and full disks: named in the error, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdt_core.datasets.prepare import prepare_dataset, publish
from fdt_core.datasets.raw_files.source import Source
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.image import ImageShape
from tests.fdt_core.datasets.archives import (
    cifar10_files,
    cinic10_files,
    fashion_mnist_files,
    image_file,
    pixels,
    published,
    tinyimagenet_files,
    without,
    write_folder,
    write_tar,
    write_zip,
)
from tests.fdt_core.datasets.preparing import PAPER, fails, left_in


def test_a_wrong_checksum_is_reported_with_the_file(data: Path) -> None:
    published("cifar10", data / "raw")
    message = fails("cifar10", data)
    assert "cifar-10-python.tar.gz" in message
    assert "MD5" in message


def test_a_wrong_number_of_images_is_reported(tmp_path: Path, data: Path) -> None:
    folder = write_folder(tmp_path / "cifar-10-batches-py", cifar10_files())
    assert "100 train images, not 50,000 as published" in fails("cifar10", data, origin=folder)


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("part", [0.2, 0.9])
def test_a_truncated_archive_is_reported_with_its_name(data: Path, name: str, part: float) -> None:
    archive = published(name, data / "raw")
    contents = archive.read_bytes()
    archive.write_bytes(contents[: int(part * len(contents))])
    assert archive.name in fails(name, data, unchecked=True)


def test_a_file_that_is_not_an_archive_is_reported(tmp_path: Path, data: Path) -> None:
    (tmp_path / "cifar.tar.gz").write_text("<html>404</html>")
    assert "cifar.tar.gz" in fails("cifar10", data, origin=tmp_path / "cifar.tar.gz", unchecked=True)
    assert "nowhere" in fails("cifar10", data, origin=tmp_path / "nowhere", unchecked=True)


def test_a_missing_batch_is_reported(tmp_path: Path, data: Path) -> None:
    folder = write_folder(tmp_path / "cifar", without(cifar10_files(), ["data_batch_4"]))
    assert "data_batch_4 is missing" in fails("cifar10", data, origin=folder, unchecked=True)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_missing_class_folder_is_reported(tmp_path: Path, data: Path, split: str) -> None:
    archive = write_tar(tmp_path / "CINIC-10.tar.gz", without(cinic10_files(), [f"{split}/frog/"]))
    assert f"{split}/frog/" in fails("cinic10", data, origin=archive, unchecked=True)


def test_a_missing_annotated_image_is_reported(tmp_path: Path, data: Path) -> None:
    archive = write_zip(tmp_path / "tiny.zip", without(tinyimagenet_files(), ["val/images/val_7.JPEG"]))
    assert "val/images/val_7.JPEG is missing" in fails("tinyimagenet", data, origin=archive, unchecked=True)


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (b"no image", "not a usable image"),
        (image_file(pixels(32, 32, 3), "PNG")[:400], "not a usable image"),
        (image_file(pixels(16, 16, 3), "PNG"), "16x16"),
    ],
)
def test_an_unreadable_image_is_reported_with_archive_and_member(
    tmp_path: Path, data: Path, contents: bytes, why: str
) -> None:
    files = cinic10_files() | {"train/ship/n08_1.png": contents}
    message = fails("cinic10", data, origin=write_tar(tmp_path / "C.tar.gz", files), unchecked=True)
    assert "C.tar.gz: train/ship/n08_1.png" in message
    assert why in message


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, data: Path) -> None:
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    folder = write_folder(tmp_path / "cifar", cifar10_files() | {"data_batch_2": evil})
    assert "os.system" in fails("cifar10", data, origin=folder, unchecked=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", [lambda contents: contents[:-9], lambda contents: b"x" + contents[1:]])
def test_a_damaged_idx_file_is_reported(tmp_path: Path, data: Path, damage: Any) -> None:
    files = fashion_mnist_files()
    files["t10k-images-idx3-ubyte.gz"] = damage(files["t10k-images-idx3-ubyte.gz"])
    folder = write_folder(tmp_path / "fashion", files)
    assert "t10k-images-idx3-ubyte.gz" in fails("fashion_mnist", data, origin=folder, unchecked=True)


def test_too_little_disk_space_is_reported_before_anything_is_written(data: Path) -> None:
    many = np.broadcast_to(np.int64(0), (10**13,))
    source = Source(image=ImageShape(), class_names=("a", "b"), train_labels=many, test_labels=many[:1], images=())
    with pytest.raises(EnvironmentProblem, match="MB are needed"):
        publish("huge", lambda: source, data)
    assert left_in(data) == []


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.errors import EnvironmentProblem
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    prepare_dataset("digits", Path(sys.argv[1]))
except EnvironmentProblem as problem:
    print(problem)
"""


@pytest.mark.trainer
def test_a_disk_that_fills_while_writing_is_reported_and_nothing_remains(data: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILL_THE_DISK, str(data)], capture_output=True, text=True, check=True)
    assert "cannot be written: File too large" in done.stdout
    assert left_in(data) == []


def test_missing_files_are_reported_with_ways_to_get_them(data: Path) -> None:
    message = fails("tinyimagenet", data)
    for part in ("tiny-imagenet-200.zip", "--from", "--download", str(data / "raw")):
        assert part in message


def test_an_unknown_name_lists_the_known_ones(data: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        prepare_dataset("cifar", data)


def test_an_archive_for_the_embedded_data_set_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match="not read from an archive"):
        prepare_dataset("digits", data, origin=tmp_path)
