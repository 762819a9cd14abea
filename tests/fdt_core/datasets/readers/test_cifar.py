"""CIFAR batches as other programs write them, and with labels or images that cannot be right."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import load_prepared
from fdt_core.errors import EnvironmentProblem
from tests.fdt_core.datasets.archives import Files, cifar10_files, cifar100_files, pixels, write_folder


def changed(files: Files, name: str, **fields: Any) -> Files:
    """The files with some keys of one batch changed; the value None removes the key."""
    batch = pickle.loads(files[name], encoding="bytes") | {key.encode(): value for key, value in fields.items()}
    return files | {name: pickle.dumps({key: value for key, value in batch.items() if value is not None}, protocol=2)}


def digest(folder: Path, files: Files, name: str = "cifar10") -> str:
    origin = write_folder(folder / "files", files)
    return prepare_dataset(name, folder / "data", origin=origin, unchecked=True).digest


def refused(folder: Path, files: Files, name: str = "cifar10") -> str:
    with pytest.raises(EnvironmentProblem) as raised:
        digest(folder, files, name)
    return str(raised.value)


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {as_text(key): as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_text_keys_of_any_pickle_protocol_give_the_same_data(tmp_path: Path, name: str, protocol: int) -> None:
    files = cifar10_files() if name == "cifar10" else cifar100_files()
    written_again = {
        file: pickle.dumps(as_text(pickle.loads(contents, encoding="bytes")), protocol=protocol)
        for file, contents in files.items()
        if file != "readme.html"
    }
    assert digest(tmp_path / "a", written_again, name) == digest(tmp_path / "b", files, name)


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(20) % 10,
        tuple(range(10)) * 2,
        [np.int64(i % 10) for i in range(20)],
        (np.arange(20) % 10).astype("u1"),
    ],
)
def test_labels_of_any_integer_type_are_read(tmp_path: Path, labels: Any) -> None:
    files = changed(cifar10_files(), "data_batch_3", labels=labels)
    assert digest(tmp_path / "a", files) == digest(tmp_path / "b", cifar10_files())


def test_pixels_of_another_integer_type_are_read(tmp_path: Path) -> None:
    files = changed(cifar10_files(), "test_batch", data=pixels(20, 3072, seed=5).astype(np.int64))
    assert digest(tmp_path / "a", files) == digest(tmp_path / "b", cifar10_files())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"labels": [11] + [0] * 19}, "image 0 has the label 11, but labels of 10 classes go from 0 to 9"),
        ({"labels": [0] * 19 + [-1]}, "image 19 has the label -1"),
        ({"labels": [0] * 19}, r"labels of shape (19,) for 20 images"),
        ({"labels": [0] * 21}, r"labels of shape (21,) for 20 images"),
        ({"labels": []}, r"labels of shape (0,) for 20 images"),
        ({"labels": 3}, r"labels of shape () for 20 images"),
        ({"labels": [[0]] * 20}, r"labels of shape (20, 1)"),
        ({"labels": [[0], [0, 1]] * 10}, "its labels are not one number per image"),
        ({"labels": [0.5] * 20}, "its labels are not whole numbers"),
        ({"labels": ["cat"] * 20}, "its labels are not whole numbers"),
        ({"labels": None}, "has no 'labels', only 'batch_label', 'data', 'filenames'"),
        ({"data": None}, "has no 'data'"),
        ({"data": pixels(20, 3071)}, "an array of shape (20, 3071)"),
        ({"data": pixels(20, 3072) / 255}, "not whole numbers from 0 to 255 (float64)"),
        ({"data": pixels(20, 3072).astype(np.int16) + 1}, "not whole numbers from 0 to 255 (int16)"),
        ({"data": [[1], [1, 2]]}, "no array of images"),
    ],
)
def test_a_batch_that_cannot_be_right_is_refused_with_its_file(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    message = refused(tmp_path, changed(cifar10_files(), "test_batch", **fields))
    assert message.startswith(f"{tmp_path}/files/test_batch")
    assert reason in message


@pytest.mark.parametrize(
    ("names", "reason"),
    [(None, "has no 'label_names'"), ([b"a"] * 9, "names 9 classes, not 10"), ([1] * 10, "not a list of strings")],
)
def test_a_list_of_classes_that_cannot_be_right_is_refused(tmp_path: Path, names: Any, reason: str) -> None:
    message = refused(tmp_path, changed(cifar10_files(), "batches.meta", label_names=names))
    assert "batches.meta" in message
    assert reason in message


def test_cifar100_without_fine_labels_is_refused(tmp_path: Path) -> None:
    assert "has no 'fine_labels'" in refused(tmp_path, changed(cifar100_files(), "train", fine_labels=None), "cifar100")


def test_a_split_without_images_is_refused(tmp_path: Path) -> None:
    files = changed(cifar10_files(), "test_batch", labels=[], data=pixels(0, 3072))
    assert "cifar10 has no test images" in refused(tmp_path, files)


def test_a_damaged_pickle_is_read_or_refused_with_its_file(tmp_path: Path) -> None:
    generator = random.Random(0)
    files, problems = cifar10_files(), []
    for number in range(60):
        contents = bytearray(files["data_batch_2"])
        for _ in range(3):
            contents[generator.randrange(300)] = generator.randrange(256)
        try:
            digest(tmp_path / str(number), files | {"data_batch_2": bytes(contents)})
        except EnvironmentProblem as problem:
            problems.append(str(problem))
    assert len(problems) > 20
    assert all("data_batch_2" in problem for problem in problems)


def test_class_names_that_are_not_utf8_are_kept_readable(tmp_path: Path) -> None:
    names = [b"fris\xe9", *(b"%d" % i for i in range(9))]
    digest(tmp_path, changed(cifar10_files(), "batches.meta", label_names=names))
    assert load_prepared("cifar10", tmp_path / "data").class_names[0] == r"fris\xe9"
