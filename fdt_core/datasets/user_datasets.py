"""User data sets: folders of images, each declared by one line in `datasets.yaml` of the data directory.

flowers: {folder: /scratch/flowers, size: 64}
birds: {folder: /scratch/birds, resize: {size: 64, crop_ratio: 0.875}}
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fdt_core.datasets.info import DatasetInfo, dataset_names
from fdt_core.datasets.raw_files.file_names import printable
from fdt_core.datasets.raw_files.image_files import Fit, cropped_to_square
from fdt_core.datasets.raw_files.resizing import Resize
from fdt_core.datasets.raw_files.source import Source
from fdt_core.datasets.readers.class_folders import read_image_folder
from fdt_core.datasets.store import Description, read_description
from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.files.yaml_file import YamlFile, load_yaml

USER_DATASETS = "datasets.yaml"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid"))
class UserDataset:
    """One entry of datasets.yaml.

    Args:
        folder: a folder with a folder of images per class, or with `train` and `test` (or `val`, or other usual names)
            that each have one per class; relative paths start at the data directory.
        size: width and height that the central square of each image is resized to, in pixels.
        resize: instead of `size`: how training and test images are resized and cut. Both in the same way: if only test
            images were cut to the centre, things would appear larger in them than in training by 1 / crop_ratio.
        test_part: fraction of each class that is kept for the test if there is no folder for it.
    """

    folder: str
    size: Annotated[int, Field(ge=8)] | None = None
    resize: Resize | None = None
    test_part: Annotated[float, Field(gt=0, lt=1)] = 0.2

    def __post_init__(self) -> None:
        if self.size is not None and self.resize is not None:
            raise ValueError("give either size or resize, not both")
        if self.size is None and self.resize is None:
            raise ValueError("needs size (such as 64) or resize (such as {size: 64, crop_ratio: 0.875})")

    @property
    def image_size(self) -> int:
        """Width and height of the prepared images, in pixels."""
        size = self.size if self.resize is None else self.resize.size
        assert size is not None, "checked in __post_init__"
        return size


class OutdatedData(EnvironmentProblem):
    """A user data set is prepared, but with other settings than its entry has now."""


def user_datasets(data_dir: Path) -> dict[str, UserDataset]:
    """The entries of datasets.yaml in `data_dir`, by name; empty if there is no such file.

    Raises UsageError with file and line for a wrong entry or a name that is taken.
    """
    path = data_dir / USER_DATASETS
    if not path.exists():
        return {}
    file = load_yaml(path)
    for name in file.data:
        _require_usable(name, file)
    return file.parse(dict[str, UserDataset])


def read_user_dataset(name: str, data_dir: Path) -> Source:
    """Find the images and labels of the entry `name`; decodes nothing yet.

    Raises:
        EnvironmentProblem: if the folder is missing or its layout is not understood.
        UsageError: if `test_part` leaves a class without images to train on.
    """
    entry = user_datasets(data_dir)[name]
    folder, resize = _folder(entry, data_dir), entry.resize
    fit: Fit = cropped_to_square if resize is None else lambda image, _: resize.apply(image)
    try:
        source = read_image_folder(folder, entry.image_size, entry.test_part, fit=fit)
    except UsageError as error:
        raise load_yaml(data_dir / USER_DATASETS).error((name, "test_part"), str(error)) from error
    return dataclasses.replace(source, resize=resize)


def _folder(entry: UserDataset, data_dir: Path) -> Path:
    try:
        folder = data_dir / Path(entry.folder).expanduser()
        problem = "" if folder.is_dir() else "is not a folder"
    except (OSError, ValueError, RuntimeError) as error:  # no permission; a NUL character; a ~ without a home
        folder, problem = Path(entry.folder), f"cannot be read: {error}"
    if problem:
        raise EnvironmentProblem(f"{printable(folder)} {problem} (named in {printable(data_dir / USER_DATASETS)})")
    return folder


def user_dataset_info(name: str, data_dir: Path) -> DatasetInfo:
    """The facts of the entry `name`: of the prepared data if there are any, else of the folder as it is now.

    Counts images as preparation does; a file is opened only if its suffix does not tell what it is.
    Raises like `read_user_dataset`, and OutdatedData like `require_as_declared`.
    """
    try:
        description = read_description(data_dir / name)
        require_as_declared(name, description, data_dir)
        return description.info
    except FileNotFoundError:
        source = read_user_dataset(name, data_dir)
        return DatasetInfo(
            name=name,
            image=source.image,
            train_images=len(source.train_labels),
            test_images=len(source.test_labels),
        )


def require_as_declared(name: str, description: Description, data_dir: Path) -> None:
    """Raise OutdatedData if the entry of a prepared user data set now has another `size` or `resize`.

    Checked when a sweep is planned and when the data set is to be prepared, but not while trials run: they compare
    digests, and a sweep that is under way goes on with the data it started with.
    """
    entry = user_datasets(data_dir)[name]
    if (entry.image_size, entry.resize) == (description.image.size, description.resize):
        return
    key, now = ("size", str(entry.size)) if entry.resize is None else ("resize", str(entry.resize))
    then = f"resize: {description.resize}" if description.resize else f"size: {description.image.size}"
    problem = (
        f"is {now}, but {printable(data_dir / name)} was prepared with {then}: run `fdt-sweep data prepare {name} "
        f"--replace --data-dir {shlex.quote(str(data_dir))}`, or restore the entry"
    )
    raise OutdatedData(str(load_yaml(data_dir / USER_DATASETS).error((name, key), problem)))


def _require_usable(name: str, file: YamlFile) -> None:
    if name in dataset_names():
        file.fail((name,), "this name is taken by a shipped data set")
    if not _NAME.fullmatch(name):
        file.fail((name,), "a name must consist of lower-case letters, digits, _ and -, and start with a letter")
