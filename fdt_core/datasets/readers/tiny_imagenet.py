"""Read Tiny ImageNet (Le and Yang, 2015), as published or with its validation images sorted into class folders."""

from __future__ import annotations

import codecs
import posixpath
from typing import NoReturn

from fdt_core.datasets.raw_files.file_names import printable_list
from fdt_core.datasets.raw_files.file_tree import FileTree
from fdt_core.datasets.raw_files.image_files import (
    LabelledFile,
    files_of_classes,
    has_image_suffix,
    source_of_files,
    unused_images,
)
from fdt_core.datasets.raw_files.source import Source
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

_ANNOTATIONS = "val/val_annotations.txt"
_VALIDATION_IMAGES = "val/images/"


def read_tinyimagenet(files: FileTree, image: ImageShape) -> Source:
    """Read `train`, a folder per class, and `val`: likewise, or with a file that names the class of each image.

    Labels follow the sorted WordNet ids; the images in the published test folder have no labels and are not used.

    Raises:
        EnvironmentProblem: for a wrong file; the message names it, and the line in a text file.
    """
    ids = _ids(files, image.classes)
    validation = [name for name in files.names if name.startswith("val/") and has_image_suffix(name)]
    if any(name.startswith(_VALIDATION_IMAGES) for name in validation):
        test = _annotated(files, ids)
    else:
        _require_known_folders(files, validation, ids)
        test = _in_class_folders(files, ids)
    train = files_of_classes(files, "train/", ids)
    return source_of_files(
        files,
        {"train": train, "test": test},
        image=image,
        class_names=_readable_names(files, ids),
        notes=(*unused_images(files, "train/", train), *unused_images(files, "val/", test)),
    )


def _ids(files: FileTree, classes: int) -> list[str]:
    first: dict[str, int] = {}
    for number, line in _lines(files, "wnids.txt"):
        for id_ in line.split():
            if id_ in first:
                _fail(files, "wnids.txt", number, f"names {id_} again (first in line {first[id_]})")
            first[id_] = number
    if len(first) != classes:
        raise EnvironmentProblem(f"{files.where('wnids.txt')} names {len(first)} classes, not {classes}")
    return sorted(first)


def _annotated(files: FileTree, ids: list[str]) -> list[LabelledFile]:
    labels, names = {id_: label for label, id_ in enumerate(ids)}, set(files.names)
    first: dict[str, int] = {}
    found = []
    for number, line in _lines(files, _ANNOTATIONS):
        columns = line.split("\t") if "\t" in line else line.split()
        if len(columns) < 2:
            _fail(files, _ANNOTATIONS, number, "does not hold an image's name and its class, separated by a tab")
        name, id_ = f"{_VALIDATION_IMAGES}{columns[0].strip()}", columns[1].strip()
        if id_ not in labels:
            _fail(files, _ANNOTATIONS, number, f"names the class {id_!r}, which is not in wnids.txt")
        if name not in names:
            _fail(files, _ANNOTATIONS, number, f"{name} is missing")
        if name in first:
            _fail(files, _ANNOTATIONS, number, f"names {name} again (first in line {first[name]})")
        first[name] = number
        found.append(LabelledFile(name=name, label=labels[id_]))
    return found


def _in_class_folders(files: FileTree, ids: list[str]) -> list[LabelledFile]:
    """Sort like the published annotations (val_0, val_1, ... val_10), so that the digest is the same."""

    def by_number(file: LabelledFile) -> tuple[int, str, int]:
        name = posixpath.basename(file.name)
        return len(name), name, file.label

    return sorted(files_of_classes(files, "val/", ids), key=by_number)


def _require_known_folders(files: FileTree, validation: list[str], ids: list[str]) -> None:
    unknown = sorted({name.split("/")[1] for name in validation if "/" in name.removeprefix("val/")}.difference(ids))
    if unknown:
        raise EnvironmentProblem(
            f"{files.where('val')} has folders that wnids.txt does not name: {printable_list(unknown)}"
        )


def _readable_names(files: FileTree, ids: list[str]) -> list[str]:
    """The first word in WordNet for each id."""
    pairs = (line.split(None, 1) for _, line in _lines(files, "words.txt"))
    words = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    return [words.get(id_, id_).partition(",")[0].strip() or id_ for id_ in ids]


def _lines(files: FileTree, name: str) -> list[tuple[int, str]]:
    """Number and text of each non-blank line, in UTF-8, UTF-16 or else Latin-1, with the line ends of any system."""
    contents = files.content(name)
    if contents.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = contents.decode("utf-16", "replace")
    else:
        try:
            text = contents.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = contents.decode("latin-1")
    # Not splitlines: it also splits at characters that may occur in Latin-1 words.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def _fail(files: FileTree, name: str, line: int, message: str) -> NoReturn:
    raise EnvironmentProblem(f"{files.where(name)}, line {line}: {message}")
