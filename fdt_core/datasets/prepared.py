"""Open prepared data sets: a memory-mapped uint8 array per split, labels, class names, constants and a digest."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.info import DatasetInfo, data_directory
from fdt_core.datasets.prepare import EMBEDDED, prepare_dataset
from fdt_core.datasets.raw_files.source import Images, Labels
from fdt_core.datasets.store import Description, open_array, read_description
from fdt_core.errors import EnvironmentProblem

__all__ = ["PreparedDataset", "data_directory", "load_prepared", "prepared_description", "prepared_digest"]


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """A data set ready for training.

    Args:
        info: name, image shape, number of images.
        digest: SHA-256 of images, labels and class names; the same on every machine.
        class_names: the name of each label.
        mean: mean of each channel over the training images, as a fraction of the full scale (0 to 1).
        std: standard deviation, likewise, with ddof 1.
        train_images: uint8 [N, H, W, C], memory-mapped.
        train_labels: int64 [N].
        test_images: uint8 [M, H, W, C], memory-mapped.
        test_labels: int64 [M].
    """

    info: DatasetInfo
    digest: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


def load_prepared(name: str, data_dir: Path) -> PreparedDataset:
    """Open the prepared data set `name`; its images stay on disk until they are used.

    Raises EnvironmentProblem if it is not prepared or its files are damaged.
    """
    description = prepared_description(name, data_dir)
    directory = data_dir / name
    return PreparedDataset(
        info=description.info,
        digest=description.digest,
        class_names=description.class_names,
        mean=description.mean,
        std=description.std,
        train_images=open_array(directory, "train_images"),
        train_labels=open_array(directory, "train_labels"),
        test_images=open_array(directory, "test_images"),
        test_labels=open_array(directory, "test_labels"),
    )


def prepared_digest(name: str, data_dir: Path) -> str:
    """The digest of the prepared data set `name`, without reading its images. Raises like `load_prepared`."""
    return prepared_description(name, data_dir).digest


def prepared_description(name: str, data_dir: Path) -> Description:
    """Read dataset.json of the prepared data set `name`; prepares the embedded one. Raises like `load_prepared`."""
    try:
        return read_description(data_dir / name)
    except OSError as error:
        if name == EMBEDDED:
            return prepare_dataset(name, data_dir)
        dataset_info(name, data_dir)  # reports an unknown name as such
        raise EnvironmentProblem(
            f"data set {name!r} is not prepared in {data_dir}: "
            f"run `fdt-sweep data prepare {name} --data-dir {shlex.quote(str(data_dir))}`"
        ) from error
