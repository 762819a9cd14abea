"""The files in users' image folders: read correctly whatever their names, or refused with the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fdt_core.datasets.catalogue import dataset_info
from tests.fdt_core.datasets.archives import image_file, pixels
from tests.fdt_core.datasets.readers.photo_folders import declared, images, prepared, refused

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
