"""Users' folders of images, as the data set `pets` of a data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

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
