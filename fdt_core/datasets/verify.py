"""Verify that prepared files still hold what was written."""

from __future__ import annotations

from pathlib import Path

from fdt_core.datasets.prepared import prepared_description
from fdt_core.datasets.raw_files.source import SPLITS
from fdt_core.datasets.store import DESCRIPTION, Description, content_digest, open_array
from fdt_core.errors import EnvironmentProblem


def verify_prepared(name: str, data_dir: Path) -> Description:
    """Read all of the prepared data set `name` and compare it with its description.

    Raises EnvironmentProblem if it is not prepared, or if a file is damaged, which the message names.
    """
    description, directory = prepared_description(name, data_dir), data_dir / name
    require_arrays(directory, description)
    if content_digest(directory, description.class_names, description.resize) != description.digest:
        raise EnvironmentProblem(
            f"{directory} does not hold what was prepared (its digest differs): "
            f"run `fdt-sweep data prepare {name} --replace`"
        )
    return description


def require_arrays(directory: Path, description: Description) -> None:
    """Raise EnvironmentProblem if an array of the prepared data set in `directory` is missing, truncated or misshapen.

    Fast: it reads no image, and so does not notice changed ones.
    """
    image, counts = description.image, {"train": description.train_images, "test": description.test_images}
    for split in SPLITS:
        _require_shape(directory, f"{split}_images", (counts[split], image.size, image.size, image.channels))
        _require_shape(directory, f"{split}_labels", (counts[split],))


def _require_shape(directory: Path, name: str, shape: tuple[int, ...]) -> None:
    found = open_array(directory, name).shape
    if found != shape:
        raise EnvironmentProblem(f"{directory / name}.npy has shape {found}, but {DESCRIPTION} describes {shape}")
