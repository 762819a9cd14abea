"""Tiny ImageNet as users have it: sorted into folders, edited, and copied from other systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdt_core.datasets.prepare import publish
from fdt_core.datasets.raw_files.file_tree import open_tree
from fdt_core.datasets.readers.tiny_imagenet import read_tinyimagenet
from fdt_core.datasets.store import Description
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape
from tests.fdt_core.datasets.archives import Files, image_file, pixels, tinyimagenet_files, without, write_zip

ANNOTATIONS = "val/val_annotations.txt"
FILES = tinyimagenet_files(classes=20)
LINES = FILES[ANNOTATIONS].decode().splitlines()
FIRST_ID = LINES[0].split("\t")[1]


def prepared(folder: Path, files: Files) -> Description:
    folder.mkdir(parents=True, exist_ok=True)
    tree = open_tree(write_zip(folder / "tiny.zip", files), "wnids.txt")
    return publish("tiny", lambda: read_tinyimagenet(tree, ImageShape(size=64, classes=20)), folder / "data")


def refused(folder: Path, files: Files) -> str:
    with pytest.raises(EnvironmentProblem) as raised:
        prepared(folder, files)
    return str(raised.value)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Description:
    """The description of the data prepared from the published layout."""
    return prepared(tmp_path_factory.mktemp("published"), FILES)


def sorted_validation(inside: str, *, annotated: bool) -> Files:
    """The validation images moved into a folder per class."""
    moved = {}
    for line in LINES:
        name, id_ = line.split("\t")[:2]
        moved[f"val/{id_}/{inside}{name}"] = FILES[f"val/images/{name}"]
    return without(FILES, ["val/images/"] + ([] if annotated else [ANNOTATIONS])) | moved


@pytest.mark.parametrize("inside", ["", "images/"])
@pytest.mark.parametrize("annotated", [True, False])
def test_validation_images_in_class_folders_give_the_same_data(
    tmp_path: Path, published: Description, inside: str, annotated: bool
) -> None:
    assert prepared(tmp_path, sorted_validation(inside, annotated=annotated)).digest == published.digest


def test_a_class_without_validation_images_is_refused(tmp_path: Path) -> None:
    files = without(sorted_validation("", annotated=False), [f"val/{FIRST_ID}/"])
    assert f"val/{FIRST_ID} is missing or holds no images" in refused(tmp_path, files).replace(f"{FIRST_ID}/", FIRST_ID)


def test_a_folder_of_an_unknown_class_is_refused(tmp_path: Path) -> None:
    files = sorted_validation("", annotated=False) | {"val/n99999999/x.JPEG": image_file(pixels(64, 64, 3), "JPEG")}
    assert "val has folders that wnids.txt does not name: n99999999" in refused(tmp_path, files)


@pytest.mark.parametrize("file", [ANNOTATIONS, "wnids.txt", "words.txt"])
@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + b"\n\n",
        lambda text: b"\n" + text,
        lambda text: text.rstrip(b"\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n") + b"  \r\n",
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.decode().encode("utf-16"),
    ],
    ids=["empty last lines", "empty first line", "no last line end", "BOM", "Windows", "both", "old Mac", "UTF-16"],
)
def test_text_files_of_any_editor_give_the_same_data(
    tmp_path: Path, published: Description, file: str, edit: object
) -> None:
    assert callable(edit)
    assert prepared(tmp_path, FILES | {file: edit(FILES[file])}).digest == published.digest


def test_columns_may_be_separated_by_blanks(tmp_path: Path, published: Description) -> None:
    files = FILES | {ANNOTATIONS: FILES[ANNOTATIONS].replace(b"\t", b" ")}
    assert prepared(tmp_path, files).digest == published.digest


def test_words_in_latin1_are_read(tmp_path: Path) -> None:
    words = FILES["words.txt"] + f"{FIRST_ID}\tfris\xe9\x85e, dog\n".encode("latin-1")
    ids = sorted(FILES["wnids.txt"].decode().split())
    assert prepared(tmp_path, FILES | {"words.txt": words}).class_names[ids.index(FIRST_ID)] == "fris\xe9\x85e"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("val_7.JPEG", "does not hold an image's name and its class, separated by a tab"),
        ("val_7.JPEG\tn99999999\t0\t0\t1\t1", "names the class 'n99999999', which is not in wnids.txt"),
        (f"val_9999.JPEG\t{FIRST_ID}", "val/images/val_9999.JPEG is missing"),
        (f"val_3.JPEG\t{FIRST_ID}", "names val/images/val_3.JPEG again (first in line 4)"),
    ],
)
def test_a_wrong_line_is_refused_with_its_file_and_number(tmp_path: Path, line: str, reason: str) -> None:
    lines = [*LINES[:7], line, *LINES[8:]]
    message = refused(tmp_path, FILES | {ANNOTATIONS: "\n".join(lines).encode()})
    assert f"tiny.zip: {ANNOTATIONS}, line 8: {reason}" in message


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    ids = FILES["wnids.txt"].decode().splitlines()
    text = "\n".join([*ids[:10], "", ids[3], *ids[10:]]).encode()
    assert f"wnids.txt, line 12: names {ids[3]} again (first in line 4)" in refused(
        tmp_path, FILES | {"wnids.txt": text}
    )


def test_images_without_a_class_are_counted(tmp_path: Path) -> None:
    extra = {"train/n99999999/images/x.JPEG": image_file(pixels(64, 64, 3), "JPEG")}
    description = prepared(tmp_path, FILES | extra | {ANNOTATIONS: "\n".join(LINES[:-3]).encode()})
    assert description.test_images == 17
    assert description.notes == (
        "not used: 1 image below train/ in no class",
        "not used: 3 images below val/ in no class",
    )
