"""CINIC-10, Tiny ImageNet and users' own image folders: a folder per class, in the layouts that are usual for each."""

from __future__ import annotations

import hashlib

from PIL import Image, ImageOps

from fdt_core.datasets.file_tree import FileTree
from fdt_core.datasets.image_files import LabelledFile, image_names, source_of_files
from fdt_core.datasets.source import Source
from fdt_core.errors import EnvironmentProblem
from fdt_core.image import ImageShape

CINIC10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TEST_FOLDERS = ("test", "val", "valid", "validation")


def read_cinic10(files: FileTree, image: ImageShape) -> Source:
    """CINIC-10 (Darlow et al., 2018): the folder `train` to train on and `valid` to test on, as the paper does."""
    return source_of_files(
        files,
        {
            "train": _files_of_classes(files, "train/", CINIC10_CLASSES),
            "test": _files_of_classes(files, "valid/", CINIC10_CLASSES),
        },
        image=image,
        class_names=CINIC10_CLASSES,
    )


def read_tinyimagenet(files: FileTree, image: ImageShape) -> Source:
    """Tiny ImageNet (Le and Yang, 2015): `train` has a folder per class, `val` a file that names each image's class.

    Labels follow the sorted WordNet ids; the images of the published test folder have no labels and are not used.
    """
    ids = sorted(files.content("wnids.txt").decode().split())
    if len(ids) != image.classes:
        raise EnvironmentProblem(f"{files.where('wnids.txt')} names {len(ids)} classes, not {image.classes}")
    return source_of_files(
        files,
        {"train": _files_of_classes(files, "train/", tuple(ids)), "test": _annotated_validation(files, ids)},
        image=image,
        class_names=_readable_names(files, ids),
    )


def read_image_folder(files: FileTree, size: int, test_part: float) -> Source:
    """A user's own folder: `train` and `test` (or `val`) with a folder per class each, or just a folder per class.

    Of just a folder per class, `test_part` of each class's images are taken for the test: those whose names have the
    lowest SHA-256, so that the choice is the same everywhere. Images are cropped to a square of `size` pixels.
    """
    test_folder = next((name for name in _TEST_FOLDERS if name in files.folders("")), None)
    if "train" in files.folders("") and test_folder:
        classes = files.folders("train/")
        train, test = (_files_of_classes(files, f"{folder}/", classes) for folder in ("train", test_folder))
    else:
        classes = files.folders("")
        train, test = _split(_files_of_classes(files, "", classes), test_part)
    if len(classes) < 2:
        raise EnvironmentProblem(f"{files.path} has images of {len(classes)} class(es): it needs a folder per class")
    return source_of_files(
        files,
        {"train": train, "test": test},
        image=ImageShape(size=size, classes=len(classes)),
        class_names=classes,
        fit=_cropped_to_square,
    )


def _files_of_classes(files: FileTree, folder: str, classes: tuple[str, ...]) -> list[LabelledFile]:
    return [
        LabelledFile(name=name, label=label)
        for label, class_ in enumerate(classes)
        for name in image_names(files, f"{folder}{class_}/")
    ]


def _annotated_validation(files: FileTree, ids: list[str]) -> list[LabelledFile]:
    annotations = files.content("val/val_annotations.txt").decode().splitlines()
    labels = {class_: label for label, class_ in enumerate(ids)}
    found = []
    for line in annotations:
        name, class_ = line.split("\t")[:2]
        if class_ not in labels:
            raise EnvironmentProblem(f"{files.where('val/val_annotations.txt')} names the unknown class {class_!r}")
        found.append(LabelledFile(name=f"val/images/{name}", label=labels[class_]))
    return found


def _readable_names(files: FileTree, ids: list[str]) -> list[str]:
    """The first word that WordNet has for each id."""
    words = dict(line.split("\t", 1) for line in files.content("words.txt").decode().splitlines() if "\t" in line)
    return [words.get(class_, class_).partition(",")[0].strip() for class_ in ids]


def _split(labelled: list[LabelledFile], test_part: float) -> tuple[list[LabelledFile], list[LabelledFile]]:
    by_class: dict[int, list[LabelledFile]] = {}
    for file in labelled:
        by_class.setdefault(file.label, []).append(file)
    test = set()
    for members in by_class.values():
        members.sort(key=lambda file: hashlib.sha256(file.name.encode()).digest())
        test.update(members[: max(1, round(test_part * len(members)))])
    return [file for file in labelled if file not in test], [file for file in labelled if file in test]


def _cropped_to_square(image: Image.Image, size: int) -> Image.Image:
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BICUBIC)
