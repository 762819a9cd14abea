"""Which folder names denote parts of a data set, and which parts belong together."""

from __future__ import annotations

import pytest

from fdt_core.datasets.readers.part_folders import find_parts, looks_like_part


@pytest.mark.parametrize(
    ("names", "train", "tests"),
    [
        (["train", "test"], "train", ["test"]),
        (["Train", "Test"], "Train", ["Test"]),
        (["TRAIN", "VAL"], "TRAIN", ["VAL"]),
        (["training", "testing"], "training", ["testing"]),
        (["Training", "validation"], "Training", ["validation"]),
        (["train", "valid", "test"], "train", ["test", "valid"]),
        (["seg_train", "seg_test", "seg_pred"], "seg_train", ["seg_test"]),
        (["Training Set", "Test Set"], "Training Set", ["Test Set"]),
        (["trainset", "testset"], "trainset", ["testset"]),
        (["TrainData", "TestData"], "TrainData", ["TestData"]),
        (["train_images", "val-images"], "train_images", ["val-images"]),
        (["train2017", "val2017"], "train2017", ["val2017"]),
        (["trainval", "test"], "trainval", ["test"]),
        (["train", "test", "train_masks", "test_masks"], "train", ["test"]),
        (["train", "dev"], "train", ["dev"]),
        (["train", "test", "cat", "dog"], "train", ["test"]),
    ],
)
def test_parts_are_recognised_by_their_names(names: list[str], train: str, tests: list[str]) -> None:
    parts = find_parts(names)
    assert parts is not None
    assert (parts.train, list(parts.tests)) == (train, tests)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["cat", "dog"],
        ["train", "bus", "car"],
        ["test", "val"],
        ["bullet_train", "blood_test"],
        ["strain", "contest"],
        ["training", "valley"],
        ["train_a", "test_b"],
    ],
)
def test_other_names_are_not_parts(names: list[str]) -> None:
    assert find_parts(names) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "Train", "test"], "Train and train"),
        (["train", "training", "val"], "train and training"),
        (["train", "val", "valid"], "val and valid"),
        (["train_1", "test_1", "train_2", "test_2"], "train_1 and train_2"),
    ],
)
def test_ambiguous_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"the folders {message} could each be the same part"):
        find_parts(names)


@pytest.mark.parametrize("name", ["train", "Testing", "PublicTest", "holdout_val", "train2"])
def test_a_part_is_recognised_without_its_counterpart(name: str) -> None:
    assert looks_like_part(name)


@pytest.mark.parametrize("name", ["cat", "restaurant", "Valentine", "trains"])
def test_a_class_is_not_a_part(name: str) -> None:
    assert not looks_like_part(name)
