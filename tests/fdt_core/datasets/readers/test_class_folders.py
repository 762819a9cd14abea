"""Image folders as users really have them: read correctly, or refused with the reason."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.prepare import prepare_dataset
from fdt_core.datasets.prepared import PreparedDataset, load_prepared
from fdt_core.datasets.summary import summary_lines
from fdt_core.errors import EnvironmentProblem, UsageError
from tests.fdt_core.datasets.archives import image_file, pixels, write_folder

Files = dict[str, bytes]


def images(*folders: str, count: int = 5, suffix: str = ".png") -> Files:
    return {
        f"{folder}/{i}{suffix}": image_file(pixels(12, 12, 3, seed=100 * number + i), "PNG")
        for number, folder in enumerate(folders)
        for i in range(count)
    }


def declared(data: Path, files: Files, settings: str = "size: 8") -> Path:
    """The data directory `data` with a data set `pets` in the folder `photos`, which consists of `files`."""
    (data / "photos").mkdir(exist_ok=True)
    write_folder(data / "photos", files)
    (data / "datasets.yaml").write_text(f"pets: {{folder: photos, {settings}}}\n")
    return data


def prepared(data: Path) -> tuple[PreparedDataset, str]:
    """The prepared data set `pets`, and the summary for its user; planning must expect the same."""
    planned = dataset_info("pets", data)
    description = prepare_dataset("pets", data)
    assert description.info == planned
    return load_prepared("pets", data), "\n".join(summary_lines(description, data / "pets"))


def refused(data: Path) -> str:
    """Why `pets` is refused, in one line; nothing is left behind."""
    with pytest.raises((EnvironmentProblem, UsageError)) as raised:
        prepare_dataset("pets", data)
    assert not (data / "pets").exists()
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


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


# Files


def test_ignored_files_are_counted(tmp_path: Path) -> None:
    extra = dict.fromkeys(["cat/a.txt", "cat/b.TXT", "notes", "dog/x.svg", "dog/y.xml", "cat/.x.png"], b"x")
    files = images("cat", "dog") | extra | images("dog/@eaDir", ".ipynb_checkpoints", "__MACOSX/cat", count=1)
    found, summary = prepared(declared(tmp_path, files))
    assert len(found.train_labels) + len(found.test_labels) == 10
    assert "skipped: 5 files (.txt 2, no suffix 1, .svg 1, .xml 1)" in summary
    assert "hidden or system files left out: " in summary
    for name in ("@eaDir 1", ".ipynb_checkpoints 1", "__MACOSX 1", ".x.png 1"):
        assert name in summary


def test_the_content_determines_the_format(tmp_path: Path) -> None:
    """Ten PNG images with other suffixes, or none."""
    files = images("cat", suffix=".jpg") | images("dog", count=2, suffix=".jfif") | images("dog", count=3, suffix="")
    found, summary = prepared(declared(tmp_path, files))
    assert len(found.train_labels) + len(found.test_labels) == 10
    assert "skipped" not in summary


def test_a_folder_with_a_link_to_itself_is_read_once(tmp_path: Path) -> None:
    declared(tmp_path, images("ant", "bee", count=3))
    (tmp_path / "photos" / "ant" / "latest").symlink_to(".")
    (tmp_path / "photos" / "wasp").symlink_to("bee")
    found, summary = prepared(tmp_path)
    assert found.class_names == ("ant", "bee")
    assert len(found.train_labels) + len(found.test_labels) == 6
    assert "links to folders already read: ant/latest, wasp" in summary


def test_a_test_that_is_a_link_to_the_training_images_is_refused(tmp_path: Path) -> None:
    for name in ("whole", "classes"):
        (tmp_path / name).mkdir()
        declared(tmp_path / name, images("train/ant", "train/bee"))
    (tmp_path / "whole" / "photos" / "test").symlink_to("train")
    assert "no class folders and links to folders already read: test/" in refused(tmp_path / "whole")
    (tmp_path / "classes" / "photos" / "test").mkdir()
    for name in ("ant", "bee"):
        (tmp_path / "classes" / "photos" / "test" / name).symlink_to(f"../train/{name}")
    assert "links to folders already read: test/ant/, test/bee/" in refused(tmp_path / "classes")


def test_conversions_are_counted_and_classes_come_last(tmp_path: Path) -> None:
    deep = image_file(np.full((9, 9), 40_000, dtype=np.uint16), "PNG")
    transparent = image_file(np.zeros((9, 9, 4), dtype=np.uint8), "PNG")
    files = images("cat", "dog") | {f"cat/deep{i}.png": deep for i in range(3)} | {"dog/logo.png": transparent}
    found, summary = prepared(declared(tmp_path, files, "size: 9, test_part: 0.5"))
    lines = summary.splitlines()
    assert lines[-2] == "converted: 3 were 16-bit, 1 partly transparent, laid over white"
    assert lines[-1] == "2 classes (training + test images): cat 4 + 4, dog 3 + 3"
    both = np.concatenate([found.train_images, found.test_images])
    assert sum((both == 156).all(axis=(1, 2, 3))) == 3
    assert sum((both == 255).all(axis=(1, 2, 3))) == 1


def test_many_classes_are_summarised(tmp_path: Path) -> None:
    files = images(*(f"class{i:02}" for i in range(25)), count=2) | images("class00", count=3)
    _, summary = prepared(declared(tmp_path, files))
    assert summary == "25 classes of 1 to 2 training and 1 test images"


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "its format is not supported, or it is damaged"),
        (b"<html>404 not found</html>", "its format is not supported, or it is damaged"),
        (image_file(pixels(64, 64, 3), "JPEG")[:-500], "truncated"),
        (image_file(np.zeros((4, 4), dtype=np.float32), "TIFF"), "floating-point pixels"),
    ],
)
def test_an_unreadable_image_is_reported_with_a_remedy(tmp_path: Path, contents: bytes, reason: str) -> None:
    data = declared(tmp_path, images("cat", "dog") | {"dog/bad.jpg": contents})
    assert dataset_info("pets", data).train_images == 9, "planning opens no images"
    message = refused(data)
    assert "photos/dog/bad.jpg is not a usable image" in message
    assert reason in message
    assert "replace or remove it" in message


def test_a_broken_link_to_an_image_is_reported(tmp_path: Path) -> None:
    declared(tmp_path, images("cat", "dog"))
    (tmp_path / "photos" / "dog" / "gone.png").symlink_to("/nowhere/gone.png")
    assert "photos/dog/gone.png cannot be read: No such file" in refused(tmp_path)


OPENED = """
import sys
from pathlib import Path
from fdt_core.datasets.catalogue import dataset_info
opened = []
sys.addaudithook(lambda event, arguments: event == "open" and opened.append(str(arguments[0])))
print(dataset_info("pets", Path(sys.argv[1])).train_images)
print(*(Path(path).name for path in opened if "/photos/" in path))
"""


def test_planning_opens_only_files_whose_suffix_is_not_clear(tmp_path: Path) -> None:
    odd = {"dog/photo": image_file(pixels(12, 12, 3), "PNG"), "dog/notes.txt": b"x"}
    declared(tmp_path, images("cat", "dog", count=50) | odd)
    done = subprocess.run([sys.executable, "-c", OPENED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["81", "notes.txt photo"]


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


# Names of any bytes


def latin1(data: Path) -> Path:
    declared(data, images("alano", "bichon", "雪"))
    photos = data / "photos"
    (photos / "bichon" / "3.png").rename(photos / "bichon" / os.fsdecode(b"fris\xe9 3.png"))
    (photos / "bichon").rename(photos / os.fsdecode(b"\xc1 bichon"))
    return data


DIGEST = """
import sys
from pathlib import Path
from fdt_core.datasets.prepare import prepare_dataset
print(prepare_dataset("pets", Path(sys.argv[1]), replace=True).digest, sys.getfilesystemencoding())
"""


def test_names_that_are_not_utf8_give_the_same_data_in_every_locale(tmp_path: Path) -> None:
    found, summary = prepared(latin1(tmp_path))
    assert found.class_names == ("alano", "雪", r"\xc1 bichon")
    assert summary == r"3 classes (training + test images): alano 4 + 1, 雪 4 + 1, \xc1 bichon 4 + 1"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, str(tmp_path)], capture_output=True, text=True, check=True, env=environment
    )
    digest, encoding = done.stdout.split()
    assert encoding != "utf-8"
    assert digest == found.digest


def test_a_damaged_image_with_such_a_name_is_reported_in_one_printable_line(tmp_path: Path) -> None:
    declared(tmp_path, images("cat", "dog"))
    (tmp_path / "photos" / "dog" / os.fsdecode(b"caf\xe9\n.png")).write_bytes(b"x")
    message = refused(tmp_path)
    assert r"dog/caf\xe9\n.png is not a usable image" in message
    message.encode()
