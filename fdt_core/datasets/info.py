"""The facts of a data set, and the data sets that fdt-sweep ships."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fdt_core.image import ImageShape


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Name, image shape as the network sees it, and number of images per split."""

    name: str
    image: ImageShape
    train_images: int
    test_images: int


SHIPPED = (
    DatasetInfo(name="cifar10", image=ImageShape(size=32, classes=10), train_images=50_000, test_images=10_000),
    DatasetInfo(name="cifar100", image=ImageShape(size=32, classes=100), train_images=50_000, test_images=10_000),
    DatasetInfo(name="cinic10", image=ImageShape(size=32, classes=10), train_images=90_000, test_images=90_000),
    DatasetInfo(name="tinyimagenet", image=ImageShape(size=64, classes=200), train_images=100_000, test_images=10_000),
    DatasetInfo(name="fashion_mnist", image=ImageShape(size=32, classes=10), train_images=60_000, test_images=10_000),
    DatasetInfo(name="digits", image=ImageShape(size=32, classes=10), train_images=1_437, test_images=360),
)


def data_directory(option: Path | None = None) -> Path:
    """The directory of prepared data: `option` (the command line's --data-dir), else FDT_DATA_DIR, else ./data."""
    return option or Path(os.environ.get("FDT_DATA_DIR") or "data")


def dataset_names() -> tuple[str, ...]:
    """The names of the shipped data sets."""
    return tuple(info.name for info in SHIPPED)
