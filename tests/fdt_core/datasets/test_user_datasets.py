"""A user's image folder becomes a data set by one line of YAML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import load_prepared
from fdt_core.errors import EnvironmentProblem, UsageError
from tests.fdt_core.datasets.archives import image_file, pixels, write_folder


def images(*folders: str, count: int = 10) -> dict[str, bytes]:
    """Images of several sizes and formats in each of `folders`."""
    shapes = ((40, 60, 3), (64, 64, 3), (50, 30))
    return {
        f"{folder}/{i}.{'png' if i % 2 else 'JPG'}": image_file(
            pixels(*shapes[i % 3], seed=i), "PNG" if i % 2 else "JPEG"
        )
        for folder in folders
        for i in range(count)
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def declare(data: Path, line: str) -> None:
    (data / "datasets.yaml").write_text(line + "\n")


def test_one_line_declares_a_folder_per_class_as_a_data_set(tmp_path: Path, data: Path) -> None:
    write_folder(tmp_path / "flowers", images("rose", "tulip", "daisy"))
    declare(data, f"flowers: {{folder: {tmp_path}/flowers, size: 32}}")
    info = dataset_info("flowers", data)
    assert (info.image.size, info.image.classes, info.train_images, info.test_images) == (32, 3, 24, 6)
    prepare_dataset("flowers", data)
    prepared = load_prepared("flowers", data)
    assert prepared.info == info
    assert prepared.class_names == ("daisy", "rose", "tulip")
    assert np.bincount(prepared.test_labels).tolist() == [2, 2, 2]


def test_folders_for_training_and_test_are_kept_apart(tmp_path: Path, data: Path) -> None:
    write_folder(data / "photos", images("train/cat", "train/dog") | images("val/cat", "val/dog", count=3))
    declare(data, "pets: {folder: photos, size: 24}")
    prepare_dataset("pets", data)
    prepared = load_prepared("pets", data)
    assert prepared.train_images.shape == (20, 24, 24, 3)
    assert np.bincount(prepared.test_labels).tolist() == [3, 3]


def test_the_facts_of_prepared_data_do_not_need_the_folder(tmp_path: Path, data: Path) -> None:
    folder = write_folder(tmp_path / "flowers", images("rose", "tulip"))
    declare(data, f"flowers: {{folder: {folder}, size: 32, test_part: 0.5}}")
    prepare_dataset("flowers", data)
    folder.rename(tmp_path / "gone")
    assert dataset_info("flowers", data).train_images == 10


def test_the_data_directory_comes_from_the_environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(data / "photos", images("cat", "dog"))
    declare(data, "pets: {folder: photos, size: 24}")
    monkeypatch.setenv("FDT_DATA_DIR", str(data))
    assert dataset_info("pets").image.size == 24


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pets: {folder: photos, sise: 24}", r"datasets\.yaml:1: pets\.sise: unknown key; did you mean 'size'"),
        ("pets: {folder: photos}", r"datasets\.yaml:1: pets: needs size \(such as 64\) or resize \(such as \{size: 64"),
        ("cifar10: {folder: photos, size: 32}", r"datasets\.yaml:1: cifar10: this name is taken"),
        ("../pets: {folder: photos, size: 32}", "a name must consist of"),
        ("pets: {folder: photos, size: 24, test_part: 1.5}", "test_part: must be less than 1"),
    ],
)
def test_a_wrong_line_is_reported_with_file_line_and_key(data: Path, line: str, message: str) -> None:
    declare(data, line)
    with pytest.raises(UsageError, match=message):
        dataset_info("pets", data)


def test_the_error_for_an_unknown_name_lists_user_data_sets_too(data: Path) -> None:
    declare(data, "pets: {folder: photos, size: 24}")
    with pytest.raises(UsageError, match=r"did you mean 'pets'.*digits, pets"):
        dataset_info("pet", data)


def test_a_missing_folder_is_reported(data: Path) -> None:
    declare(data, "pets: {folder: photos, size: 24}")
    with pytest.raises(EnvironmentProblem, match=r"photos is not a folder \(named in .*datasets\.yaml\)"):
        dataset_info("pets", data)


@pytest.mark.parametrize("files", [{}, {"a.png": b""}, images("cat")])
def test_a_folder_without_classes_is_reported(data: Path, files: dict[str, bytes]) -> None:
    (data / "photos").mkdir()
    write_folder(data / "photos", files)
    declare(data, "pets: {folder: photos, size: 24}")
    with pytest.raises(EnvironmentProblem, match="photos"):
        prepare_dataset("pets", data)


def test_a_class_without_test_images_is_reported(data: Path) -> None:
    write_folder(data / "photos", images("train/cat", "train/dog", "test/cat"))
    declare(data, "pets: {folder: photos, size: 24}")
    with pytest.raises(EnvironmentProblem, match="only train/ has images of dog"):
        prepare_dataset("pets", data)


def test_an_unreadable_image_is_reported_with_its_path(data: Path) -> None:
    write_folder(data / "photos", images("cat", "dog") | {"dog/broken.png": b"x"})
    declare(data, "pets: {folder: photos, size: 24}")
    with pytest.raises(EnvironmentProblem, match=r"photos/dog/broken\.png is not a usable image"):
        prepare_dataset("pets", data)
