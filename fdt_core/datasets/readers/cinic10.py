"""Read CINIC-10 (Darlow et al., 2018): image files in a folder per class."""

from __future__ import annotations

from fdt_core.datasets.raw_files.file_tree import FileTree
from fdt_core.datasets.raw_files.image_files import files_of_classes, source_of_files, unused_images
from fdt_core.datasets.raw_files.source import Source
from fdt_core.image import ImageShape

CINIC10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cinic10(files: FileTree, image: ImageShape) -> Source:
    """Read the folder `train` for training and `valid` for the test, as the paper does."""
    train, test = (files_of_classes(files, parent, CINIC10_CLASSES) for parent in ("train/", "valid/"))
    return source_of_files(
        files,
        {"train": train, "test": test},
        image=image,
        class_names=CINIC10_CLASSES,
        notes=(*unused_images(files, "train/", train), *unused_images(files, "valid/", test)),
    )
