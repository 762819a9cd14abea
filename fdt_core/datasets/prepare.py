"""Prepare a data set: read it as published, check it, and write its prepared directory atomically."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from fdt_core.datasets.catalogue import dataset_info
from fdt_core.datasets.info import DatasetInfo, dataset_names
from fdt_core.datasets.published_files import PUBLICATIONS, Publication
from fdt_core.datasets.raw_files.source import SPLITS, Source
from fdt_core.datasets.readers.digits import read_digits
from fdt_core.datasets.store import DESCRIPTION, Description, read_description, write_files
from fdt_core.datasets.user_datasets import read_user_dataset, require_as_declared, user_datasets
from fdt_core.errors import EnvironmentProblem, UsageError, unknown_name

EMBEDDED = "digits"
"""The data set that comes with a dependency."""


def prepare_dataset(
    name: str,
    data_dir: Path,
    *,
    origin: Path | None = None,
    download: bool = False,
    unchecked: bool = False,
    replace: bool = False,
) -> Description:
    """Make the data set `name` ready for training, in `data_dir`; does nothing if it is prepared already.

    Args:
        name: a shipped data set, or one of datasets.yaml.
        data_dir: the directory of prepared data.
        origin: the published archive, a folder that it was unpacked to, or a folder of the published files; by default
            they are searched for in `data_dir`/raw, in `data_dir`, and where distributions install them.
        download: fetch the published files to `data_dir`/raw if they are not found.
        unchecked: accept files whose checksum or number of images is not as published.
        replace: prepare the data set again if it is prepared already.

    Raises:
        UsageError: for an unknown name, or if `test_part` of a user data set leaves no image to train on.
        EnvironmentProblem: if files are missing, damaged or not as published, if the disk is full, or if a user data
            set is prepared already but with another `size` or `resize` than its entry has now.
    """
    users = {} if name in dataset_names() else user_datasets(data_dir)

    def source() -> Source:
        if name == EMBEDDED:
            return read_digits(dataset_info(name).image)
        if name in users:
            return read_user_dataset(name, data_dir)
        return _published_source(name, data_dir, origin, download, unchecked)

    if name not in (*dataset_names(), *users):
        raise unknown_name("dataset", name, (*dataset_names(), *users))
    if origin is not None and name not in PUBLICATIONS:
        raise UsageError(f"data set {name!r} is not read from an archive")
    description = publish(name, source, data_dir, replace=replace)
    if name in users:
        require_as_declared(name, description, data_dir)
    return description


def publish(name: str, source: Callable[[], Source], data_dir: Path, *, replace: bool = False) -> Description:
    """Write a source as the prepared data set `name` in `data_dir`, atomically.

    A process that prepares the same data set at the same time waits, and then finds it done. Nothing half-written
    remains after an error, and the next process removes what a killed one left. If the data set is prepared already,
    nothing is written: the directory may be read-only.
    """
    if (data_dir / name / DESCRIPTION).exists() and not replace:
        return read_description(data_dir / name)
    _create(data_dir)
    with _only_one(data_dir / f".{name}.lock"):
        if (data_dir / name / DESCRIPTION).exists() and not replace:
            return read_description(data_dir / name)
        _refuse_foreign_files(data_dir / name)
        for leftover in data_dir.glob(f".{name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return _write(name, source(), data_dir)


def _refuse_foreign_files(directory: Path) -> None:
    """Raise EnvironmentProblem if `directory`, about to be replaced, holds more than a prepared data set."""
    found = directory.iterdir() if directory.exists() else ()
    foreign = sorted(path.name for path in found if path.name != DESCRIPTION and path.suffix != ".npy")
    if foreign:
        raise EnvironmentProblem(
            f"{directory} is the place for the prepared data set, but it holds other files, such as {foreign[0]}: "
            "move them elsewhere, or give the data set another name"
        )


def _write(name: str, source: Source, data_dir: Path) -> Description:
    _require_space(source, data_dir)
    partial = data_dir / f".{name}.partial-{uuid.uuid4().hex}"
    try:
        partial.mkdir()
        description = write_files(name, source, partial)
        _flush(partial)
        if (data_dir / name).exists():
            (data_dir / name).rename(data_dir / f".{name}.partial-old")
        partial.rename(data_dir / name)
    except OSError as error:
        raise EnvironmentProblem(f"{error.filename or data_dir} cannot be written: {error.strerror}") from error
    finally:
        for leftover in data_dir.glob(f".{name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
    return description


def _published_source(name: str, data_dir: Path, origin: Path | None, download: bool, unchecked: bool) -> Source:
    publication, info = PUBLICATIONS[name], dataset_info(name)
    path = (publication.find_in(origin) or origin) if origin else publication.find(data_dir)
    if path is None and download:
        path = publication.download(data_dir / "raw")
    if path is None:
        raise EnvironmentProblem(_how_to_get(name, publication, data_dir))
    if not unchecked:
        publication.check(path)
    source = publication.source(path, info.image)
    if not unchecked:
        _require_published_counts(path, source, info)
    return source


def _how_to_get(name: str, publication: Publication, data_dir: Path) -> str:
    files = " and ".join(publication.md5)
    hint = f", or {publication.hint}" if publication.hint else ""
    return (
        f"the files of {name} are not on this machine: put {files} (from {publication.address}) "
        f"into {data_dir / 'raw'}, name them with --from, or let --download fetch them{hint}"
    )


def _require_published_counts(path: Path, source: Source, info: DatasetInfo) -> None:
    expected = {"train": info.train_images, "test": info.test_images}
    for split in SPLITS:
        if len(source.labels(split)) != expected[split]:
            raise EnvironmentProblem(
                f"{path} has {len(source.labels(split)):,} {split} images, not {expected[split]:,} as published "
                "(--unchecked accepts them)"
            )


def _create(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{data_dir} cannot be created: {error.strerror}") from error


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold a lock on the file `path`, after waiting for the process that holds it."""
    try:
        file = path.open("w")
    except OSError as error:
        raise EnvironmentProblem(f"{path.parent} cannot be written: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_space(source: Source, data_dir: Path) -> None:
    image_bytes = source.image.size**2 * source.image.channels
    needed = sum(source.labels(split).nbytes + len(source.labels(split)) * image_bytes for split in SPLITS)
    free = shutil.disk_usage(data_dir).free
    if free < needed:
        raise EnvironmentProblem(f"{data_dir} has {free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB are needed")


def _flush(directory: Path) -> None:
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
