"""What is known of each data set without having it: enough to plan and cost a whole study."""

from __future__ import annotations

from dataclasses import dataclass

from fdt_core.errors import unknown_name
from fdt_core.image import ImageShape


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Name, image shape as the network sees it, and the number of images per split."""

    name: str
    image: ImageShape
    train_images: int
    test_images: int


_KNOWN = (
    DatasetInfo(name="cifar10", image=ImageShape(size=32, classes=10), train_images=50_000, test_images=10_000),
    DatasetInfo(name="cifar100", image=ImageShape(size=32, classes=100), train_images=50_000, test_images=10_000),
    DatasetInfo(name="cinic10", image=ImageShape(size=32, classes=10), train_images=90_000, test_images=90_000),
    DatasetInfo(name="tinyimagenet", image=ImageShape(size=64, classes=200), train_images=100_000, test_images=10_000),
    DatasetInfo(name="fashion_mnist", image=ImageShape(size=32, classes=10), train_images=60_000, test_images=10_000),
    DatasetInfo(name="digits", image=ImageShape(size=32, classes=10), train_images=1_437, test_images=360),
)


def dataset_names() -> tuple[str, ...]:
    """Names of the data sets that ship with the project."""
    return tuple(info.name for info in _KNOWN)


def dataset_info(name: str) -> DatasetInfo:
    """The facts of data set `name`; UsageError with the known names where there is none."""
    for info in _KNOWN:
        if info.name == name:
            return info
    raise unknown_name("dataset", name, dataset_names())
