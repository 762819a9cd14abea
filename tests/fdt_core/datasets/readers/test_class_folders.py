"""Image folders as users really have them: classes, parts and splits are found, or refused with the reason."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.prepared import load_prepared
from fdt_core.errors import UsageError
from tests.fdt_core.datasets.archives import image_file, pixels
from tests.fdt_core.datasets.readers.photo_folders import Files, declared, images, prepared, refused

# Digests computed with version 0.1.0 stay the same


KINDS = (
    *(("RGB", "PNG", ".png"), ("L", "PNG", ".PNG"), ("RGBA", "PNG", ".png"), ("RGB", "BMP", ".bmp")),
    *(("L", "TIFF", ".tif"), ("RGB", "PPM", ".ppm"), ("1", "PNG", ".png")),
)


def lossless(*folders: str, count: int = 7) -> Files:
    """Images of several lossless formats and modes, one with an opaque alpha channel, in folders below the classes."""
    files = {}
    for number, folder in enumerate(folders):
        for i in range(count):
            mode, format, suffix = KINDS[i]
            buffer = io.BytesIO()
            Image.fromarray(pixels(16, 16, 3, seed=100 * number + i)).convert(mode).save(buffer, format)
            files[f"{folder}/sub{i % 2}/{i}{suffix}"] = buffer.getvalue()
    return files


@pytest.mark.parametrize(
    ("files", "settings", "digest"),
    [
        (
            lossless("cat", "Dog", "émeu"),
            "size: 16, test_part: 0.3",
            "73230298811ea413a76495c4e35f16d57eacdd048548feb2e3ae5990edad50f7",
        ),
        (
            lossless("train/cat", "train/Dog")
            | lossless("val/cat", "val/Dog", count=3)
            | lossless("test/cat", "test/Dog", count=2),
            "size: 16",
            "b21b29de72740882041c83f15c081fddb9c76c8bfbc5d77f8a954839cff2a225",
        ),
        (
            lossless("train/cat", "train/Dog")
            | lossless("valid/cat", "valid/Dog", count=3)
            | {"extra/1.png": image_file(pixels(16, 16, 3, seed=1), "PNG")},
            "size: 16",
            "482dd65c66a2d2760567f4fda4b4cf3bc0d75d1a0d46e532f3a345f8f2944273",
        ),
    ],
    ids=["classes", "three parts", "two parts"],
)
def test_digests_are_those_of_version_0_1_0(tmp_path: Path, files: Files, settings: str, digest: str) -> None:
    declared(tmp_path, files | {"README.md": b"x"}, settings)
    assert prepared(tmp_path)[0].digest == digest


def test_data_prepared_by_version_0_1_0_can_still_be_read(tmp_path: Path) -> None:
    found, _ = prepared(declared(tmp_path, images("cat", "dog")))
    description = tmp_path / "pets" / "dataset.json"
    fields = json.loads(description.read_text())
    del fields["notes"]
    description.write_text(json.dumps(fields))
    assert load_prepared("pets", tmp_path).digest == found.digest


# Classes and parts


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("training", "testing"),
        ("TRAIN", "VAL"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("pets/train", "pets/test"),
        ("v1/data/Training Set", "v1/data/Validation Set"),
    ],
)
def test_the_usual_names_of_parts_are_recognised(tmp_path: Path, train: str, test: str) -> None:
    parts = images(f"{train}/cat", f"{train}/dog") | images(f"{test}/cat", f"{test}/dog", count=2)
    found, _ = prepared(declared(tmp_path, parts))
    assert found.class_names == ("cat", "dog")
    assert (len(found.train_labels), len(found.test_labels)) == (10, 4)


def test_of_three_parts_test_is_used_and_the_other_is_reported(tmp_path: Path) -> None:
    parts = {name: images(f"{name}/cat", f"{name}/dog", count=count) for name, count in (("train", 5), ("test", 3))}
    files = parts["train"] | parts["test"] | images("val/cat", "val/dog", count=2) | images("logos", count=1)
    found, summary = prepared(declared(tmp_path, files | images("train", count=1)))
    assert np.bincount(found.test_labels).tolist() == [3, 3]
    assert "not used: logos (1 image); val (4 images); 1 image outside the class folders" in summary


def test_val_is_the_test_if_test_has_no_labels(tmp_path: Path) -> None:
    files = images("train/cat", "train/dog") | images("val/cat", "val/dog", count=2) | images("test/test", count=9)
    found, summary = prepared(declared(tmp_path, files))
    assert len(found.test_labels) == 4
    assert "not used: test (9 images)" in summary


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    found, _ = prepared(declared(tmp_path, images("bus", "car", "train")))
    assert found.class_names == ("bus", "car", "train")


def test_a_folder_that_holds_only_one_folder_is_passed_through(tmp_path: Path) -> None:
    plain, _ = prepared(declared(tmp_path, images("cat", "dog")))
    (tmp_path / "other").mkdir()
    nested, _ = prepared(declared(tmp_path / "other", images("pets/pets/cat", "pets/pets/dog")))
    assert nested.digest == plain.digest, "and the same images are for the test"


@pytest.mark.parametrize(
    ("files", "reasons"),
    [
        (
            images("train/ant", "train/bee") | images("val/ant", "val/bee", "val/cicada"),
            ["only val/ has images of cicada", "train/ has ant, bee", "val/ has ant, bee, cicada"],
        ),
        (
            images("Train/ant", "Train/bee") | images("Test/ant"),
            ["only Train/ has images of bee", "Train/ has ant, bee", "Test/ has ant)"],
        ),
        (
            images("train/ant", "train/bee") | images("test"),
            ["test/ has no class folders", "name only train/ in datasets.yaml"],
        ),
        (images("train/ant", "train/bee") | {"test/ant/readme": b"x"}, ["test/ant holds no images (no suffix 1)"]),
        (
            images("train/a", "train/b") | images("holdout/a", "holdout/b"),
            ["photos/train looks like a part of the data"],
        ),
        (images("Training/a", "Training/b") | images("PublicTest/a", "PublicTest/b"), ["looks like a part"]),
        (images("cat/train", "cat/test", "dog/train", "dog/test"), ["photos/cat contains parts"]),
        (images("train/a", "train/b", "Train/a", "Train/b", "val/a"), ["the folders Train and train could each"]),
        (images("ant") | {"bee/1.heic": b"x", "bee/2.heic": b"x"}, ["photos/bee holds no images (.heic 2): convert"]),
        (images("ant"), ["images of only one class: it needs at least two class folders"]),
        (images("."), ["5 images but no class folder"]),
        ({}, ["photos holds no images: it needs a folder of images per class"]),
        ({"ant/1.heic": b"x", "a.txt": b"x"}, ["photos holds no images (skipped: 2 files (.txt 1, .heic 1))"]),
    ],
)
def test_an_unclear_layout_is_refused_with_the_reason(tmp_path: Path, files: Files, reasons: list[str]) -> None:
    message = refused(declared(tmp_path, files))
    for reason in reasons:
        assert reason in message


def test_an_empty_test_folder_is_refused(tmp_path: Path) -> None:
    declared(tmp_path, images("train/cat", "train/dog"))
    (tmp_path / "photos" / "test").mkdir()
    assert "only train/ has images of cat, dog" in refused(tmp_path)


def test_an_empty_class_folder_is_reported(tmp_path: Path) -> None:
    declared(tmp_path, images("cat", "dog") | {"fox/Thumbs.db": b"x"})
    (tmp_path / "photos" / "yak").mkdir()
    found, summary = prepared(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert "empty folders, not used as classes: fox, yak" in summary


# Splits


@pytest.mark.parametrize(
    ("files", "settings", "reason"),
    [
        (
            images("cat", "dog", count=3),
            "test_part: 0.9",
            r"yaml:1: pets\.test_part: 0\.9 .* of cat \(of 3\), dog \(of 3\)",
        ),
        (images("cat") | images("dog", count=1), "test_part: 0.2", r"no training image of dog \(of 1\)"),
    ],
)
def test_a_split_without_training_images_is_refused_at_planning(
    tmp_path: Path, files: Files, settings: str, reason: str
) -> None:
    declared(tmp_path, files, f"size: 8, {settings}")
    with pytest.raises(UsageError, match=reason):
        dataset_info("pets", tmp_path)
    refused(tmp_path)
